"""What would help: tests of advice and of --what-if."""
