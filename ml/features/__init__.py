"""Computes a FeatureVector from a StudyHistory."""
