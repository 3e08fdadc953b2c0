"""An answer for the person who typed `struggle-predict USER_ID OBJECTIVE_ID`: short, in words, with bars."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from math import fsum
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ml.scoring.prediction import NEGLIGIBLE
from ml.wording.choice import language
from scripts.cli.streams import printable

if TYPE_CHECKING:
    from ml.language import Message

MOST_FACTORS = 8
LONGEST_BAR = 20
WIDEST, NARROWEST = 100, 60
"""Columns; a wider terminal is not filled, and in a narrower one the terminal itself breaks the lines."""

_RISK = " risk of struggling: {share} (between {low} and {high}; confidence {confidence})"
MESSAGES: dict[str, Message] = {
    "terminal_ids": "Learner {learner}, objective {objective}",
    "terminal_objective": "Objective {objective}",
    "terminal_HIGH": f"HIGH{_RISK}",
    "terminal_MEDIUM": f"MEDIUM{_RISK}",
    "terminal_LOW": f"LOW{_RISK}",
    "terminal_before_HIGH": "Before the changes to try: HIGH risk, {share}",
    "terminal_before_MEDIUM": "Before the changes to try: MEDIUM risk, {share}",
    "terminal_before_LOW": "Before the changes to try: LOW risk, {share}",
    "terminal_change": "Since the last prediction: {change}",
    "terminal_factors": "The risk starts from {base}. What raises (+) and lowers (-) it, in percentage points:",
    "terminal_decimal": ".",
    "terminal_weaker": ("{n} weaker factor", "{n} weaker factors"),
    "terminal_without": (
        "{n} feature has no data (--json names them)",
        "{n} features have no data (--json names them)",
    ),
    "terminal_known": "What is known:",
    "terminal_advice": "What would help:",
    "terminal_missing": "Missing in the database: {tables}",
    "terminal_as_of": "As of {moment} UTC, by {model}",
}
"""What this page says beside the answer's own texts, in English."""


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
    words = _Words(answer)
    if words.for_a_learner:
        yield words.say("terminal_objective", objective=answer["objective_id"])
        yield from wrap(answer["reasoning"], width)
        yield from _what_is_known(answer["factors"], words, width)
    else:
        yield from _opening(answer, words, width)
        yield from _factors(answer, words, width, bar)
    yield from _advice(answer["advice"], words, width)
    if answer["missing_sources"]:
        yield ""
        tables = ", ".join(answer["missing_sources"])
        yield from wrap(words.say("terminal_missing", tables=tables), width, subsequent_indent="  ")
    yield ""
    moment = answer["as_of"][:16].replace("T", " ")
    yield words.say("terminal_as_of", moment=moment, model=answer["model_version"])


class _Words:
    """The messages of this page in the answer's language, for its reader."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._language = language(answer["language"], answer["audience"])
        self.for_a_learner = answer["audience"] == "learner"
        self.share = self._language.probability

    def say(self, key: str, **places: str) -> str:
        """The message with its places filled."""
        return str(self._message(key)).format_map(places)

    def counted(self, key: str, number: int) -> str:
        """The message about this number."""
        return self._language.clause(self._message(key), number, True)

    def points(self, factors: Sequence[Mapping[str, Any]]) -> str:
        """What these factors add to the probability, in percentage points."""
        told = f"{100 * fsum(factor['points'] for factor in factors):+5.1f}"
        return told.replace(".", str(self._message("terminal_decimal")))

    def _message(self, key: str) -> Message:
        return self._language.messages.get(key) or MESSAGES[key]


def _opening(answer: Mapping[str, Any], words: _Words, width: int) -> Iterator[str]:
    low, high = answer["interval"]
    yield words.say("terminal_ids", learner=answer["user_id"], objective=answer["objective_id"])
    yield words.say(
        f"terminal_{answer['risk_level']}",
        share=words.share(answer["probability"]),
        low=words.share(low),
        high=words.share(high),
        confidence=words.share(answer["confidence"]),
    )
    if "what_if" in answer:
        before = answer["what_if"]["before"]
        yield words.say(f"terminal_before_{before['risk_level']}", share=words.share(before["probability"]))
    if answer["degraded"]:
        yield ""
        yield from wrap(answer["reasoning"], width)
    elif answer["change"]:
        told = words.say("terminal_change", change=answer["change"]["text"])
        yield from wrap(told, width, subsequent_indent="  ")


def _telling(factors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    known = [factor for factor in factors if factor["value"] is not None]
    return [factor for factor in known if abs(factor["contribution"]) >= NEGLIGIBLE][:MOST_FACTORS]


def _what_is_known(factors: Sequence[Mapping[str, Any]], words: _Words, width: int) -> Iterator[str]:
    """For a learner: the facts alone, without what each does to the risk."""
    telling = _telling(factors)
    if not telling:
        return
    yield ""
    yield words.say("terminal_known")
    for factor in telling:
        yield from wrap(factor["text"], width, initial_indent="  ", subsequent_indent="    ")


def _factors(answer: Mapping[str, Any], words: _Words, width: int, bar: str) -> Iterator[str]:
    """The strongest factors as bars, in proportion to the strongest of all; the rest in one line, absences in another.

    An answer from default features has said in its reasoning that there are no data.
    """
    known = [factor for factor in answer["factors"] if factor["value"] is not None]
    telling = _telling(known)
    without = 0 if answer["degraded"] else len(answer["features"]["defaulted"])
    if not telling and not without:
        return
    yield ""
    yield from wrap(words.say("terminal_factors", base=words.share(answer["base"])), width)
    longest = max((abs(factor["contribution"]) for factor in telling), default=0.0)
    for factor in telling:
        length = max(1, round(LONGEST_BAR * abs(factor["contribution"]) / longest))
        start = f"  {words.points([factor])} {bar * length:<{LONGEST_BAR}}  "
        first, *more = wrap(factor["text"], max(20, width - len(start))) or [""]
        yield f"{start}{first}".rstrip()
        yield from (" " * len(start) + line for line in more)
    if weaker := known[len(telling) :]:
        yield f"  {words.points(weaker)} {words.counted('terminal_weaker', len(weaker))}"
    if without:
        absent = [factor for factor in answer["factors"] if factor["value"] is None]
        yield f"  {words.points(absent)} {words.counted('terminal_without', without)}"


def _advice(advice: Sequence[Mapping[str, Any]], words: _Words, width: int) -> Iterator[str]:
    if not advice:
        return
    yield ""
    yield words.say("terminal_advice")
    for each in advice:
        yield from wrap(each["text"], width, initial_indent="  ", subsequent_indent="    ")
