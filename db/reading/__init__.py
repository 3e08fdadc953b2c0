"""The queries to a database, and the rows that their results become; it does no input or output of its own."""
