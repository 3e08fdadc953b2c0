"""How the predictions of the last days turned out: figures with intervals, drift, slices, and alerts when due.

python scripts/monitor.py --days 7 --html monitor.html --prometheus struggle.prom
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Read when numpy is imported: on a busy machine a second thread mostly spins, and costs more than it gains.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click

import db
from db import stored_predictions
from db.client import Client
from db.stored_names import names_of_objectives
from ml.model import levels_in_force
from ml.study.correctness import GOOD
from ml.study.history import DAY_MS
from ml.study.scales import PLATFORM, Levels
from scripts.auditing.audited import audited
from scripts.cli.command import as_record, command, note
from scripts.cli.database_options import database_options
from scripts.cli.exits import DONE, TO_LOOK_AT, Misconfigured, Usage
from scripts.cli.extras import Extras
from scripts.cli.model_card import rows_of
from scripts.cli.options import Number, as_of_option, correct_from_option, json_option, models_dir_option
from scripts.cli.output_file import OutputPath, write_whole
from scripts.cli.streams import printable

extras = Extras()
with extras:
    from scripts.monitoring import evidence_file
    from scripts.monitoring.columns import LONGEST_NAME, Codes, Predictions, read_period
    from scripts.monitoring.detectors import WEEK_MS, DetectorState
    from scripts.monitoring.distributions import distributions
    from scripts.monitoring.looks import after_look, card_of, usable
    from scripts.monitoring.page import page
    from scripts.monitoring.period import Periods, report
    from scripts.monitoring.prometheus import exposition
    from scripts.monitoring.reasons import reasons
    from scripts.monitoring.report import OfPage, Report
    from scripts.monitoring.small_groups import tells_learners_apart
    from scripts.monitoring.targets import Target, targets
    from scripts.monitoring.text import table
    from scripts.pages.templates import engine

ALERT_COMMAND_WITHIN_S = 60
NOT_KEPT = "No evidence is kept between reports (--state), so this one is judged alone."


class MonitorOptions(NamedTuple):
    """The command's help says what each option means. as_of_ms: None for the database's now."""

    days: float
    as_of_ms: int | None
    weeks: int
    database_url: str
    schema: str | None
    group_by: tuple[str, ...]
    minimum: int
    accuracy: float
    recall: float
    degraded: float
    as_json: bool
    html: str | None
    prometheus: str | None
    alert_command: str | None
    state: str | None
    models_dir: str
    correct_from: str
    threshold: float | None
    bootstrap: int


@command(
    {
        0: "there is nothing to act on; this includes too little data and no data",
        1: "an alert: something is proven to be wrong, with what to do about it",
    }
)
@extras.required
@audited()
@click.option("--days", default=7.0, type=Number(0.04, 3660), help="The length of the period in days.")
@as_of_option("The end of the period.")
@click.option("--weeks", default=8, type=click.IntRange(1, 520), help="The length of the trend in weeks.")
@database_options()
@click.option(
    "--group-by",
    "group_by",
    multiple=True,
    metavar="TABLE.COLUMN",
    help="Slice by a column of users or learning_objectives, such as users.cohort; may be repeated.",
)
@click.option("--minimum", default=100, type=click.IntRange(20), help="The fewest rows on which anything is judged.")
@click.option(
    "--accuracy", default=0.75, type=Number(0, 1), help="An accuracy that is proven to be lower raises an alert."
)
@click.option("--recall", default=0.70, type=Number(0, 1), help="A recall that is proven to be lower raises an alert.")
@click.option(
    "--degraded",
    default=0.05,
    type=Number(0, 1),
    help="A share of degraded predictions that is proven to be larger raises an alert.",
)
@json_option
@click.option("--html", type=OutputPath(), help="Write the report as one self-contained page.")
@click.option("--prometheus", type=OutputPath(), help="Write the figures as a Prometheus text file.")
@click.option(
    "--alert-command",
    metavar="CMD",
    help="Run this program (without a shell) on an alert; its stdin has the report without learners.",
)
@click.option(
    "--state",
    type=OutputPath(),
    help="A file in which evidence is kept between runs, so that alerts find small changes and few are false.",
)
@models_dir_option
@correct_from_option()
@click.option(
    "--threshold",
    type=Number(0, 1),
    metavar="P",
    help="A prediction counts as one of struggle from this probability. Default: the operating threshold of levels.json"
    " beside the model, else 0.5.",
)
@click.option("--bootstrap", default=1000, type=click.IntRange(200), help="How many resamples give the intervals.")
@as_record(MonitorOptions)
def monitor(options: MonitorOptions) -> int:
    """Report how the predictions of the last days turned out: figures with intervals, slices, drift, alerts.

    The outcome of a prediction is what scripts/record_outcomes.py recorded, unless the learner's feedback says
    otherwise. Learners who opted out of analytics are left out.
    """
    program = _parsed(options.alert_command)
    levels = levels_in_force()
    if options.threshold is not None:
        levels = levels.at(options.threshold)
    if options.html:
        engine()  # a page that cannot be made is refused before the work
    with ExitStack() as stack:
        client = stack.enter_context(db.connect(options.database_url, schema_path=options.schema))
        kept: DetectorState | str = NOT_KEPT
        if options.state:
            stack.enter_context(evidence_file.held(options.state))
            kept = evidence_file.read(options.state)
        until_ms = client.now() + 1 if options.as_of_ms is None else options.as_of_ms
        found = observe(
            client,
            until_ms=until_ms,
            days=options.days,
            weeks=options.weeks,
            group_by=options.group_by,
            minimum=options.minimum,
            aims=targets(options.accuracy, options.recall, options.degraded),
            bootstrap=options.bootstrap,
            correct_from=options.correct_from,
            levels=levels,
            kept=kept,
            models_dir=options.models_dir,
            for_page=bool(options.html),
        )
        if options.state and (isinstance(kept, str) or usable(kept, until_ms)):
            evidence_file.write(options.state, found.evidence)
    if options.state and found.evidence_note:
        note(found.evidence_note)
    if options.html:
        write_whole(options.html, page(found))
    if options.prometheus:
        write_whole(options.prometheus, exposition(found))
    as_json = options.as_json
    click.echo(json.dumps(found.to_dict(), allow_nan=False, indent=2) if as_json else table(found))
    if not found.alerts:
        return DONE
    if program:
        _tell(program, found)
    return TO_LOOK_AT


def observe(
    client: Client,
    *,
    until_ms: int,
    days: float,
    weeks: int,
    group_by: Sequence[str],
    minimum: int,
    aims: Mapping[str, Target],
    bootstrap: int,
    correct_from: str = GOOD,
    levels: Levels = PLATFORM,
    kept: DetectorState | str = NOT_KEPT,
    models_dir: str = "",
    for_page: bool = False,
) -> Report:
    """The report on the days before until_ms. Raises db.errors.DatabaseError.

    kept: the evidence of earlier looks, or a sentence that says why there is none. for_page: whether to read what only
    the page shows.
    """
    since_ms = until_ms - round(days * DAY_MS)
    before_ms = 2 * since_ms - until_ms
    oldest_ms = min(until_ms - weeks * WEEK_MS, before_ms)
    codes = Codes.new()
    left_out = stored_predictions.opted_out(client)
    periods = Periods(
        current=read_period(client, since_ms, until_ms, left_out, codes),
        before=read_period(client, before_ms, since_ms, left_out, codes),
        older=read_period(client, oldest_ms, before_ms, left_out, codes, with_features=False),
    )
    seen = after_look(
        kept,
        periods,
        codes,
        models_dir,
        since_ms=since_ms,
        until_ms=until_ms,
        targets=aims,
        minimum=minimum,
        threshold=levels.operating_threshold,
    )
    groups = {column: _group(client, column, periods.current, codes) for column in group_by}
    found = report(
        periods,
        codes,
        groups,
        lambda mistakes: reasons(client, mistakes),
        since_ms=since_ms,
        until_ms=until_ms,
        minimum=minimum,
        targets=aims,
        evidence=seen.evidence,
        evidence_note=seen.note,
        reference=seen.reference,
        bootstrap=bootstrap,
        correct_from=correct_from,
        levels=levels,
    )
    return found._replace(of_page=_of_page(client, found, periods.current, models_dir, kept)) if for_page else found


def _of_page(client: Client, found: Report, current: Predictions, models_dir: str, kept: DetectorState | str) -> OfPage:
    objectives = {each.objective_id for each in found.mistakes}
    objectives |= {each.value for each in found.slices if each.dimension == "learning_objectives.id"}
    titles = names_of_objectives(client, objectives)
    return OfPage(
        {objective: printable(title)[:LONGEST_NAME] for objective, title in titles.items()},
        distributions(current, found.minimum),
        rows_of(card_of(found.evidence.version, models_dir)),
        kept != NOT_KEPT,
    )


def _group(client: Client, column: str, current: Predictions, codes: Codes) -> list[str | None]:
    """Each prediction's value of the column that the deployer names."""
    by_learner = column.startswith("users.")
    names = codes.learners.names if by_learner else codes.objectives.names
    value = stored_predictions.groups(client, column, names)
    values = [value.get(name) for name in names]
    shown = [None if value is None else printable(value)[:LONGEST_NAME] for value in values]
    rows = [shown[code] for code in (current.rows.learner if by_learner else current.rows.objective).tolist()]
    if column == "users.id" or tells_learners_apart(rows, current.rows.learner.tolist()):
        raise Misconfigured(f"{column} tells single learners apart, so it cannot be used as a group.")
    return rows


def _parsed(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise Usage(f"--alert-command cannot be split into words: {error}.") from None


def _tell(command: Sequence[str], found: Report) -> None:
    """The report on the program's stdin, without the mistakes, which name learners.

    The program's failure is told, and leaves the alert what it is.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the deployer's own program, without a shell
            command,
            input=json.dumps(found.to_dict(mistakes=False)).encode(),
            timeout=ALERT_COMMAND_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        note(f"The alert command did not run: {error}.")
        return
    if done.returncode:
        note(f"The alert command ended with {done.returncode}.")


if __name__ == "__main__":
    monitor()
