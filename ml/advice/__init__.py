"""What would help: changes of a learner's records that a person can bring about, and the probability after each."""
