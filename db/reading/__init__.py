"""What is asked of a database, and the rows that come of it; without any input or output of its own."""
