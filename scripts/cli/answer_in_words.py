"""An answer for the person who typed `struggle-predict USER_ID OBJECTIVE_ID`: short, in words, with bars."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from math import fsum
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
    if "what_if" in answer:
        before = answer["what_if"]["before"]
        yield f"Before the changes to try: {before['risk_level']} risk, {percentage(before['probability'])}"
    if answer["degraded"]:
        yield ""
        yield from wrap(answer["reasoning"], width)
    elif answer["change"]:
        yield from wrap(f"Since the last prediction: {answer['change']['text']}", width, subsequent_indent="  ")
    yield from _factors(answer, width, bar)
    yield from _advice(answer["advice"], width)
    if answer["missing_sources"]:
        yield ""
        yield from wrap(
            f"Missing in the database: {', '.join(answer['missing_sources'])}", width, subsequent_indent="  "
        )
    yield ""
    yield f"As of {answer['as_of'][:16].replace('T', ' ')} UTC, by {answer['model_version']}"


def _factors(answer: Mapping[str, Any], width: int, bar: str) -> Iterator[str]:
    """The strongest factors as bars, in proportion to the strongest of all; the rest in one line, absences in another.

    An answer from default features has said in its reasoning that there are no data.
    """
    known = [factor for factor in answer["factors"] if factor["value"] is not None]
    telling = [factor for factor in known if abs(factor["contribution"]) >= NEGLIGIBLE][:MOST_FACTORS]
    without = 0 if answer["degraded"] else len(answer["features"]["defaulted"])
    if not telling and not without:
        return
    yield ""
    start = f"The risk starts from {percentage(answer['base'])}."
    yield from wrap(f"{start} What raises (+) and lowers (-) it, in percentage points:", width)
    longest = max((abs(factor["contribution"]) for factor in telling), default=0.0)
    for factor in telling:
        length = max(1, round(LONGEST_BAR * abs(factor["contribution"]) / longest))
        start = f"  {_points([factor])} {bar * length:<{LONGEST_BAR}}  "
        first, *more = wrap(factor["text"], max(20, width - len(start))) or [""]
        yield f"{start}{first}".rstrip()
        yield from (" " * len(start) + line for line in more)
    if weaker := known[len(telling) :]:
        yield f"  {_points(weaker)} {counted(len(weaker), 'weaker factor')}"
    if without:
        absent = [factor for factor in answer["factors"] if factor["value"] is None]
        have = "feature has" if without == 1 else "features have"
        yield f"  {_points(absent)} {without} {have} no data (--json names them)"


def _advice(advice: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    if not advice:
        return
    yield ""
    yield "What would help:"
    for each in advice:
        yield from wrap(each["text"], width, initial_indent="  ", subsequent_indent="    ")


def _points(factors: Sequence[Mapping[str, Any]]) -> str:
    """What these factors add to the probability, in percentage points."""
    return f"{100 * fsum(factor['points'] for factor in factors):+5.1f}"
