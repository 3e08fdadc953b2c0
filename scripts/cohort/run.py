"""Makes the report: reads the cohort, shares the work among workers, and puts the parts together."""

from __future__ import annotations

import time
from typing import Any

import db
from db import stored_names
from db.client import Client
from db.errors import UnknownLearner
from ml.instants import iso
from ml.model import load_whole
from scripts.batch.part import BatchSettings, Tally, mark_of
from scripts.batch.run import TIMEOUT_S, name_for_workers
from scripts.cli.command import note
from scripts.cli.model_card import card_beside, of_each_level
from scripts.cli.progress import bar
from scripts.cli.streams import printable
from scripts.cohort import groups
from scripts.cohort.members import Members, members
from scripts.cohort.options import CohortOptions
from scripts.cohort.signs import Found
from scripts.cohort.trend import began_ms, said_by_week, trend
from scripts.cohort.words import Names, shown
from scripts.cohort.work import CohortSettings, LearnerView, do_part
from scripts.workers.backends import engine, hands, in_order
from scripts.workers.ranges import ranges

LEARNERS_OF_A_PART = 100
OK, TOO_FEW = "ok", "too_few_learners"


def run(options: CohortOptions) -> dict[str, Any]:
    """The report as scripts/outputs/cohort_report.py describes it.

    Raises UnknownTopic for a course that is unknown, UnknownLearner where none of the given learners is known.
    """
    began = time.monotonic()
    model = load_whole(options.model, options.correct_from)
    if model.instead:
        note(model.instead)
    with db.connect(options.database_url, schema_path=options.schema, timeout_s=TIMEOUT_S) as client:
        now_ms = client.now()
        as_of_ms = now_ms if options.as_of_ms is None else options.as_of_ms
        since_ms = began_ms(as_of_ms, options.weeks)
        whom = members(client, options.course, options.learners, as_of_ms)
        settings = CohortSettings(
            BatchSettings(
                *(options.database_url, options.schema, name_for_workers(options.model, model), mark_of(model)),
                *(as_of_ms, as_of_ms >= now_ms, options.days_ahead, "upcoming"),
                correct_from=options.correct_from,
                pointer_path=model.pointer_path,
                levels=model.levels,
            ),
            since_ms,
            whom.within,
        )
        views, tally = _views(client, settings, whom, options)
        if options.learners is not None and not (views or whom.opted_out):
            raise UnknownLearner("No learner in --users is known to the database.")
        for failure in tally.failures:
            note(f"Left out of the signs, or judged by default features: {printable(failure)}")
        said = said_by_week(client, since_ms, as_of_ms, frozenset(whom.learners), whom.within)
        enough = len(views) >= options.minimum
        found = Found(views, options.minimum)
        names = _names(client, views, found, whom, options.names)
    objectives, objectives_withheld = groups.objectives(views if enough else (), names, options.minimum)
    lacked, lacked_withheld = groups.prerequisites(views if enough else (), names, options.minimum)
    told = [each.risk_level for view in views for each in view.ahead]
    return {
        "status": OK if enough else TOO_FEW,
        "as_of": iso(as_of_ms),
        "since": iso(since_ms),
        "weeks": options.weeks,
        "days_ahead": options.days_ahead,
        "minimum": options.minimum,
        "model_version": model.model_version,
        "source": model.source,
        "levels": model.levels.to_dict(),
        "of_each_level": list(of_each_level(card_beside(model.path, model.model_version))) if model.saved else [],
        "courses": [{"course_id": key, "name": names.courses.get(key)} for key in sorted(whom.courses)],
        "learners": {
            "reported": len(views),
            "opted_out": whom.opted_out + tally.counts["tracking_off"],
            "unknown": tally.counts["unknown_learners"],
            "nothing_ahead": sum(not view.ahead for view in views),
        },
        "predictions": {
            "made": len(told),
            **{level: told.count(level) for level in ("HIGH", "MEDIUM", "LOW")},
            "degraded": tally.counts["degraded"] or sum(bool(each.degraded) for view in views for each in view.ahead),
        },
        "first": groups.first(views, names),
        "objectives": objectives,
        "objectives_withheld": objectives_withheld,
        "prerequisites": lacked,
        "prerequisites_withheld": lacked_withheld,
        "trend": trend(views, said, since_ms, as_of_ms, options.minimum) if enough else [],
        "signs": found.to_dict(names),
        "seconds": round(time.monotonic() - began, 3),
    }


def _views(
    client: Client, settings: CohortSettings, whom: Members, options: CohortOptions
) -> tuple[list[LearnerView], Tally]:
    views: list[LearnerView] = []
    tally = Tally()
    total = len(whom.learners)
    with engine(*options.workers), bar("learners", total, options.quiet, show_pos=True) as progress:
        parts = (
            (settings, ids)
            for ids in ranges(client, whom.learners, None, LEARNERS_OF_A_PART, total, hands(options.workers))
        )
        for found, counts in in_order(do_part, parts, options.workers):
            views += (view for view in found if view.tracked)
            tally.add(counts)
            progress.update(counts.counts["learners"] + counts.counts["unknown_learners"])
    views.sort(key=lambda view: view.learner_id)
    return views, tally


def _names(client: Client, views: list[LearnerView], found: Found, whom: Members, of_learners: bool) -> Names:
    wanted = found.objective_ids()
    for view in views:
        for each in view.ahead:
            wanted.update((each.objective_id, *each.lacking))
    learners = stored_names.names_of_learners(client, (view.learner_id for view in views)) if of_learners else {}
    return Names(shown(learners), shown(stored_names.names_of_objectives(client, wanted)), shown(whom.courses))
