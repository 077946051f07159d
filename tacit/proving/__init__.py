"""Did it work? Encoders beside their floors, exam by exam, and what is remembered of the floors."""
