"""From a StudyHistory to a FeatureVector."""
