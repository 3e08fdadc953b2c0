"""Computes a Prediction from a FeatureVector, by a trained scorecard or the platform's rules, and its sentences."""
