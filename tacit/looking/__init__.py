"""Looking before and after training: what the data are, what a run will cost, what a method sees."""
