"""Every way a prediction can fail inside ml, one class per cause.

    PredictorError
    ├── ModelRefused        the model file must not be used (exit 78)
    ├── ModelNotFound       the path names no model (exit 78)
    ├── InvalidFeatures     a feature vector from outside does not fit (exit 2)
    ├── NotEnoughExamples   training was asked of too little data
    ├── UnsupportedClient   the object handed to the extractor is no database client
    └── UnknownTopic        no objective belongs to the topic asked for

predict.py holds the one table from class to exit code. This module imports nothing.
"""


class PredictorError(Exception):
    """Base of every expected failure; its text is fit for a person to read."""


class ModelRefused(PredictorError):
    """Raised when a model file is damaged, of another format, for other features, or names a global."""


class ModelNotFound(PredictorError):
    """Raised when the named model file does not exist."""


class InvalidFeatures(PredictorError):
    """Raised when features handed in are not a mapping of known names to numbers in 0..1."""


class NotEnoughExamples(PredictorError):
    """Raised when there are too few labelled examples, or only one class of them, to fit a model."""


class UnsupportedClient(PredictorError):
    """Raised when the extractor is given an object through which no records can be read."""


class UnknownTopic(PredictorError):
    """Raised when a topic area names no course and no topic tag, so that there is no objective to look at."""
