"""The report on a class: who to look after first, what troubles many, and what may be at fault."""
