"""Decodes JSON columns without the json package, whose import (re, enum) takes as long as reading a learner's rows.

The C scanner is json's own; it accepts the same texts and gives the same values (tests/ml/test_json_text.py).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class _Python:
    """The settings that the scanner reads: Python's own types, and None where the text says NaN or Infinity."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(_name: str) -> None:
        """null."""


def loads(text: str) -> object:
    """Decodes a text as json.loads does, but NaN and Infinity become None. Raises ValueError, RecursionError."""
    text = text.strip(" \t\n\r")
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON value") from None
    except SystemError:  # the scanner takes its exception from json.decoder, which nobody may have imported
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError("text after the JSON value")
    return value


def listed(names: Iterable[str]) -> str:
    """A JSON list of texts, without \\u escapes, which a server whose encoding is not UTF8 cannot convert."""
    return f"[{', '.join(map(_quoted, names))}]"


try:
    from _json import encode_basestring as _quoted
    from _json import make_scanner

    _scan: Callable[[str, int], tuple[object, int]] = make_scanner(_Python)  # type: ignore[arg-type]
except ImportError:  # an interpreter without CPython's accelerator
    from json import JSONDecoder
    from json.encoder import encode_basestring as _quoted

    _scan = JSONDecoder(parse_constant=_Python.parse_constant).raw_decode
