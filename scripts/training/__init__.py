"""What training, retraining and measuring a model do, below the commands that people run."""
