"""Writes JSON text without the json package, whose import (re, enum) takes as long as a whole prediction.

The C encoder is json's own; the text is the same to the byte (tests/ml/test_json_text.py).
"""

from __future__ import annotations

try:
    from _json import encode_basestring_ascii, make_encoder
except ImportError:  # an interpreter without CPython's accelerator
    make_encoder = None  # type: ignore[assignment, misc]


def dumps(value: object) -> str:
    """One line of ASCII, as json.dumps(value, allow_nan=False) writes it.

    Raises ValueError on a number that is not finite, TypeError on what JSON cannot hold.
    """
    if make_encoder is None:
        import json

        return json.dumps(value, allow_nan=False)
    # markers, default, encoder, indent, key_separator, item_separator, sort_keys, skipkeys, allow_nan
    encode = make_encoder({}, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, False)
    return "".join(encode(value, 0))


def _refuse(value: object) -> object:
    raise TypeError(f"JSON cannot hold a {type(value).__name__}")
