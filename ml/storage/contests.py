"""The comparisons of champion and challenger, as promotions.jsonl keeps them: one line for each look.

What must be remembered is who is compared, since when, and the chance of error that was granted. The visits are not
kept: each look counts all of them anew from the database. So a visit counts once however often one looks, an outcome
that comes late still counts, and a learner who was forgotten is gone from the next look on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

KEY = "contest"


class Contest(NamedTuple):
    """One challenger's comparison with the champion, as of its last look; instants are milliseconds since 1970.

    champion, challenger: their versions. began_ms: the first look, which is the comparison's identity. since_ms: both
    models are compared on the visits that began from then on. error: the chance that is granted of promoting this
    challenger, at any look, although it is no better; 0 where the outcomes were not looked at. correct_from: the
    setting under which the visits are judged. outcome: the verdict of the last look. over: why there is no further
    look; empty while it goes on. looked_ms: the last look. examples, gain, e_value: its figures, for whoever reads the
    file; gain is the challenger's log-loss minus the champion's.
    """

    champion: str
    challenger: str
    began_ms: int
    since_ms: int
    error: float
    correct_from: str
    outcome: str
    over: str
    looked_ms: int
    examples: int
    gain: float | None
    e_value: float | None

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        return self._asdict()


def contest_of(line: Mapping[str, object]) -> Contest | None:
    """The comparison in a line of promotions.jsonl; None where the line is about something else or is damaged."""
    told = line.get(KEY)
    if not isinstance(told, dict) or not set(Contest._fields) <= told.keys():
        return None
    found = Contest(*(told[name] for name in Contest._fields))
    texts = (found.champion, found.challenger, found.correct_from, found.outcome, found.over)
    instants = (found.began_ms, found.since_ms, found.looked_ms, found.examples)
    figures = (found.gain, found.e_value)
    sound = (
        all(isinstance(each, str) for each in texts)
        and all(type(each) is int for each in instants)
        and isinstance(found.error, float)
        and 0.0 <= found.error < 1.0
        and all(each is None or isinstance(each, int | float) for each in figures)
    )
    return found if sound else None
