"""Versions of the model beside each other: their figures, and in what two of them differ."""
