"""What a learner did, as records, and what is computed from it: visits, estimates, difficulty, plans."""
