"""From a FeatureVector to a Prediction: a trained scorecard, or the platform's rules; and the words."""
