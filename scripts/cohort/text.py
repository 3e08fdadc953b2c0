"""The report as a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.cli.counted import counted
from scripts.cli.streams import printable
from scripts.cohort.words import CAUSES

SHOWN = 10


def in_words(report: Mapping[str, Any]) -> str:
    """Whom to look after first, and the signs; the page has more."""
    return "\n".join(_lines(report))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    learners, predictions = report["learners"], report["predictions"]
    courses = ", ".join(printable(each["name"] or each["course_id"]) for each in report["courses"])
    yield (f"{courses}: " if courses else "") + (
        f"{counted(predictions['made'], 'prediction')} for {counted(learners['reported'], 'learner')} as of"
        f" {report['as_of']} by {report['model_version']}: "
        + ", ".join(f"{predictions[level]:,} {level}" for level in ("HIGH", "MEDIUM", "LOW"))
    )
    if learners["opted_out"]:
        yield f"{counted(learners['opted_out'], 'learner')} opted out and left out"
    if learners["unknown"]:
        yield f"{counted(learners['unknown'], 'learner')} unknown to the database"
    if report["status"] != "ok":
        yield f"These are too few learners to say anything about all of them: {report['minimum']} are needed."
    for entry in report["first"][:SHOWN]:
        top = entry["objectives"][0]
        who = printable(entry["user_id"]) + (f" ({entry['name']})" if "name" in entry else "")
        yield f"{entry['rank']:>3}. {who}: {top['objective'] or printable(top['objective_id'])}. {top['reasoning']}"
        yield from (f"     {each['text']}" for each in top["advice"][:1])
    if len(report["first"]) > SHOWN:
        yield f"     and {counted(len(report['first']) - SHOWN, 'more learner')}"
    yield from _signs(report["signs"])


def _signs(signs: Mapping[str, Any]) -> Iterator[str]:
    for sign in signs["learners"]["found"]:
        yield f"{printable(sign['user_id'])} on {_objective(sign)}: {_figures(sign)}; {CAUSES[sign['cause']]}"
    for sign in signs["cards"]["found"]:
        yield f"Card {printable(sign['card_id'])} of {_objective(sign)}: {_figures(sign)}; the card may be at fault"
    for sign in signs["objectives"]["found"]:
        yield f"{_objective(sign)}: {_figures(sign)}; hard for many"


def _objective(sign: Mapping[str, Any]) -> str:
    return str(sign["objective"] or printable(sign["objective_id"]))


def _figures(sign: Mapping[str, Any]) -> str:
    return f"{sign['wrong']:,} of {counted(sign['answers'], 'answer')} wrong, {sign['wrong_expected']:.1f} expected"
