"""From an answer log to a judgement of the predictor on it, in one go."""
