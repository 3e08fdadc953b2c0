"""Where models lie, for the prediction path."""

from __future__ import annotations

import os

HOUSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The directory of predict.py: relative model paths start here, wherever the caller stands."""
CURRENT = "models/current.pkl"
PRETRAINED = "pretrained.pkl"


def resolve(path: str | os.PathLike[str]) -> str:
    """The absolute form of a model path; a relative one starts at predict.py's directory."""
    return os.path.normpath(os.path.join(HOUSE, os.fspath(path)))
