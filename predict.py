#!/usr/bin/env python3
"""Will this learner struggle with this objective?  predict.py USER_ID OBJECTIVE_ID prints one JSON object."""

from __future__ import annotations

import signal

import _thread
import json
import os
import sys
import time

from ml.answer import answer, failure
from ml.errors import InvalidFeatures, ModelNotFound, ModelRefused, PredictorError
from ml.extractor import StruggleFeatureExtractor
from ml.features import FeatureVector
from ml.history import WINDOW, StudyHistory
from ml.model import StrugglePredictionModel

import db
from db import errors as database

__version__ = "1.0.0"
HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT_S = 4.0  # below the caller's five seconds: an exec() that gives up leaves its child running

EXIT_CODES: tuple[tuple[type[Exception], int], ...] = ()
