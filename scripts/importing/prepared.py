"""A file read, sorted, counted and judged, before anything of it is stored."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from scripts.cli.exits import Usage
from scripts.cli.progress import bar
from scripts.importing.answers import LoggedAnswer, MalformedLog
from scripts.importing.judgement import Doubt, doubts, left_out
from scripts.importing.mapping import Wishes
from scripts.importing.opened import Understood, open_log
from scripts.importing.options import Treatment
from scripts.importing.staging import EQUAL_ROWS, StagedLog, rare_collections
from scripts.importing.study import card_id
from scripts.importing.survey import Survey, survey

CLOCKS_DIFFER_MS = 86_400_000
"""So far after now a date is not the future but another clock, or a zone that was not named."""


class PreparedLog(NamedTuple):
    """The log with all that is known of it. dropped: rows that were left out on request, by the reason."""

    log: StagedLog
    understood: Understood
    survey: Survey
    doubts: list[Doubt]
    dropped: dict[str, int]

    def summary(self) -> dict[str, Any]:
        """What is printed of the log as JSON, before and without an import."""
        found = self.survey
        least, middle, most = found.answers_per_learner()
        dates = None if self.log.order_only or not found.rows else [written(found.first_ms), written(found.last_ms)]
        return {
            "format": self.understood.format,
            "mapping": self.understood.columns,
            "times": self.understood.times,
            "rows": found.rows,
            "learners": found.learners,
            "objectives": len(found.skills),
            "cards": found.cards,
            "answers": found.answers,
            "study_rows": found.study_rows,
            "order_only": self.log.order_only,
            "dates": dates,
            "answers_per_learner": {"least": least, "median": middle, "most": most},
            "share_right": round(found.right / found.answers, 4) if found.answers else None,
            "equal_rows": None if self.log.order_only else found.equal_rows,
            "future_rows": found.future_rows,
            "left_out": left_out(self.understood) | self.dropped,
            "warnings": [doubt._asdict() for doubt in self.doubts],
        }

    def preview(self) -> list[dict[str, Any]]:
        """The first rows as they would be stored."""
        return [_stored(answer) for answer in self.survey.preview]


@contextmanager
def prepared(path: str, wishes: Wishes, treatment: Treatment) -> Iterator[PreparedLog]:
    """Reads and judges a file. Raises Usage (for a strict treatment also where anything is doubtful), Unavailable."""
    with StagedLog() as log, rare_collections():
        now_ms = time.time_ns() // 1_000_000 + CLOCKS_DIFFER_MS
        size = os.path.getsize(path) if os.path.isfile(path) else 0
        with bar("reading answers", max(1, size // 40), show_percent=False, show_eta=False) as progress:
            understood = open_log(path, wishes, log, progress.update)
        dropped: dict[str, int] = {}
        if treatment.drops_future and not log.order_only:
            dropped["rows dated in the future"] = log.drop_after(now_ms)
        joins = log.is_numbered and not wishes.every_skill
        counts = log.sort(treatment.drops_equal and not log.order_only, joins)
        dropped[EQUAL_ROWS] = counts.pop(EQUAL_ROWS, 0)
        understood.counts.update(counts)
        with bar("judging answers", log.answers) as progress:
            found = survey(log, now_ms, progress.update)
        doubtful = doubts(understood, found, log.order_only)
        if treatment.is_strict and doubtful:
            listed = " ".join(doubt.text for doubt in doubtful)
            raise Usage(f"--strict refuses the log, and nothing was imported. {listed}")
        yield PreparedLog(log, understood, found, doubtful, {why: rows for why, rows in dropped.items() if rows})


def written(at_ms: int) -> str:
    """An instant in ISO 8601, to the millisecond."""
    from datetime import datetime, timedelta, timezone

    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _stored(answer: LoggedAnswer) -> dict[str, Any]:
    rating = answer.rating or (None if answer.correct is None else "GOOD" if answer.correct else "AGAIN")
    return {
        "line": answer.line,
        "user_id": answer.learner_id,
        "objective_id": answer.skill_id,
        "card_id": card_id(answer.skill_id, answer.item_id),
        "at": written(answer.at_ms),
        "rating": rating,
        "kind": answer.kind,
        "time_spent_ms": answer.spent_ms,
    }


__all__ = ["MalformedLog", "PreparedLog", "prepared", "written"]
