"""Histories with their outcomes, as training, evaluation and outcomes read them."""
