"""Every way in which a prediction can fail inside ml, one class per cause.

    PredictorError
    ├── ModelRefused        the model file must not be used (exit 78)
    │   └── ModelUnsuited   it is whole, but made for another format, other features or another setting
    ├── ModelNotFound       the path names no model (exit 78)
    ├── InvalidSetting      an environment variable or option holds a value that it cannot have (exit 78)
    ├── InvalidFeatures     a feature vector from outside does not fit (exit 2)
    ├── NotEnoughExamples   there is too little data to train on
    ├── NotProven           the trained model is not proven to be better
    ├── UnsupportedClient   the object handed to the extractor is not a database client
    └── UnknownTopic        no objective belongs to the topic asked for

predict.py holds the one table from class to exit code. This module imports nothing.
"""


class PredictorError(Exception):
    """Base of every expected failure; its text is written for people."""


class ModelRefused(PredictorError):
    """Raised when a model file is damaged, of another format, for other features, or refers to a Python object."""


class ModelUnsuited(ModelRefused):
    """Raised when an intact model file is of another format, for other features, or trained under another setting.

    `why` gives the reason in two or three words, short enough for a model's version.
    """

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class ModelNotFound(PredictorError):
    """Raised when the named model file does not exist."""


class InvalidSetting(PredictorError):
    """Raised when an environment variable or an option holds a value that the setting cannot have."""


class InvalidFeatures(PredictorError):
    """Raised when given features are not a mapping of known names to numbers in 0..1."""


class NotEnoughExamples(PredictorError):
    """Raised when there are too few labelled examples, or only one class of them, to fit a model."""


class NotProven(PredictorError):
    """Raised when a trained model must not answer, because it is not proven better than what knows less."""


class UnsupportedClient(PredictorError):
    """Raised when the extractor is given an object through which no records can be read."""


class UnknownTopic(PredictorError):
    """Raised when a topic area is neither a course nor a topic tag, so that no objective belongs to it."""
