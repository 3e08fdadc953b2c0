"""What the commands print for programs, as JSON Schemas (2020-12): the one source of them."""
