"""What answers that are worse than predicted look like (ml/evaluation/unexplained.py)."""

LEARNER, CARD, OBJECTIVE, UNCLEAR = "learner", "card", "objective", "unclear"
"""Hard for this learner; a card may be at fault; the objective is hard for many; too little to tell why."""
