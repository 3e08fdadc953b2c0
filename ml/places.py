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


def packed(path: str) -> bytes:
    """The bytes of what lies inside predict.pyz, where no path leads to a file. Raises FileNotFoundError.

    scripts/build_zipapp.py makes such an archive; run from files, there is none.
    """
    loader = globals()["__loader__"]
    if hasattr(loader, "archive"):  # zipimport.zipimporter; any other loader would open the path
        try:
            return loader.get_data(path)  # type: ignore[no-any-return]
        except OSError:
            pass
    raise FileNotFoundError(path)
