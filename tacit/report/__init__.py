"""How results are shown: tables and curves."""
