"""An answer for the person who typed `struggle-predict USER_ID OBJECTIVE_ID`: short, in words, with bars."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from ml.scoring.prediction import NEGLIGIBLE, percentage
from scripts.cli.counted import counted
from scripts.cli.streams import printable

MOST_FACTORS = 8
LONGEST_BAR = 20
WIDEST, NARROWEST = 100, 60
"""Columns; a wider terminal is not filled, and in a narrower one the terminal itself breaks the lines."""


def in_words(answer: Mapping[str, Any], width: int, bar: str = "█") -> str:
    """The answer as lines of text.

    Args:
        answer: What predict.py prints.
        width: The columns of the terminal.
        bar: The character that bars are made of.
    """
    width = max(NARROWEST, min(width, WIDEST))
    return "\n".join(printable(line) for line in _lines(answer, width, bar))


def on_the_terminal(answer: Mapping[str, Any]) -> tuple[str, str]:
    """The answer as text for stdout, which is a terminal, and the encoding that the terminal takes."""
    encoding = sys.stdout.encoding
    try:
        "█".encode(encoding)
        bar = "█"
    except UnicodeEncodeError:
        bar = "#"
    try:
        width = os.get_terminal_size(1).columns or WIDEST  # 0 where the terminal does not know
    except OSError:
        width = WIDEST
    return in_words(answer, width, bar), encoding


def _lines(answer: Mapping[str, Any], width: int, bar: str) -> Iterator[str]:
    low, high = answer["interval"]
    yield f"Learner {answer['user_id']}, objective {answer['objective_id']}"
    yield (
        f"{answer['risk_level']} risk of struggling: {percentage(answer['probability'])}"
        f" (between {percentage(low)} and {percentage(high)}; confidence {percentage(answer['confidence'])})"
    )
    if answer["degraded"]:
        yield ""
        yield from wrap(answer["reasoning"], width)
    yield from _factors(answer["factors"], width, bar)
    missing = list(_missing(answer))
    if missing:
        yield ""
    for sentence in missing:
        yield from wrap(sentence, width, subsequent_indent="  ")
    yield ""
    yield f"As of {answer['as_of'][:16].replace('T', ' ')} UTC, by {answer['model_version']}"


def _factors(factors: Sequence[Mapping[str, Any]], width: int, bar: str) -> Iterator[str]:
    """The strongest factors as bars, in proportion to the strongest of all."""
    telling = [factor for factor in factors if abs(factor["contribution"]) >= NEGLIGIBLE]
    if not telling:
        return
    yield ""
    yield "What raises (+) and lowers (-) the risk, in logits:"
    longest = abs(telling[0]["contribution"])
    for factor in telling[:MOST_FACTORS]:
        weight = factor["contribution"]
        length = max(1, round(LONGEST_BAR * abs(weight) / longest))
        start = f"  {weight:+.2f} {bar * length:<{LONGEST_BAR}}  "
        first, *more = wrap(factor["text"], max(20, width - len(start))) or [""]
        yield f"{start}{first}".rstrip()
        yield from (" " * len(start) + line for line in more)
    if weaker := len(factors) - len(telling[:MOST_FACTORS]):
        yield f"  and {counted(weaker, 'weaker factor')}"


def _missing(answer: Mapping[str, Any]) -> Iterator[str]:
    """What the answer could not rest on; an answer from default features has said so in its reasoning."""
    features, without = answer["features"], answer["features"]["defaulted"]
    if without and not answer["degraded"]:
        of_all = round(len(without) / (1 - features["data_quality"]))
        yield f"Without data: {len(without)} of {of_all} features (--json names them)"
    if answer["missing_sources"]:
        yield f"Missing in the database: {', '.join(answer['missing_sources'])}"
