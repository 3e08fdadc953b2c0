"""Works out a FeatureVector from a StudyHistory."""
