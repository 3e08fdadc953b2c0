"""What a learner did, as records, and what follows from it: visits, estimates, difficulty, plans."""
