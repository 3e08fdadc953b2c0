"""How the predictions of the last days turned out: figures with intervals, drift, slices, and an alert when due.

python scripts/monitor.py --days 7 --html monitor.html --prometheus struggle.prom
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Read when numpy is imported: on a busy machine a second thread mostly spins, and costs more than it gains.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click

import db
from db import stored_predictions
from db.client import Client
from db.errors import DatabaseError
from ml.errors import InvalidFeatures
from ml.instants import parse_iso
from ml.study.correctness import GOOD
from scripts.cli.correct_option import correct_from_option
from scripts.cli.database_options import database_options
from scripts.cli.exits import CONFIGURATION, Refused, of_database
from scripts.cli.extras import Extras
from scripts.cli.output_file import OutputPath, write_whole
from scripts.cli.streams import printable

extras = Extras()
with extras:
    from scripts.monitoring.columns import LONGEST_NAME, Codes, Predictions, read_period
    from scripts.monitoring.page import page
    from scripts.monitoring.prometheus import exposition
    from scripts.monitoring.reasons import reasons
    from scripts.monitoring.report import DAY_MS, WEEK_MS, Periods, Report, report, tells_learners_apart
    from scripts.monitoring.targets import Target, targets
    from scripts.monitoring.text import table
    from scripts.pages.templates import engine

ALERT_COMMAND_WITHIN_S = 60
EXIT_ALERT = 1
EXIT_BUG = 70

EPILOG = """\b
Exit codes:
  0    nothing to act on, too little data and no data included
  1    an alert: a figure whose whole interval lies on the wrong side of its target, or drift
  2    the options make no sense
  69   the database cannot be reached
  70   a bug
  74   a file cannot be written
  78   the database cannot be used as configured
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@extras.required
@click.option("--days", default=7.0, type=click.FloatRange(0.04, 3660), show_default=True, help="Length of the period.")
@click.option("--as-of", metavar="TIME", help="End of the period, ISO 8601; default: the database's now.")
@click.option("--weeks", default=8, type=click.IntRange(1, 520), show_default=True, help="Length of the trend.")
@database_options()
@click.option(
    "--group-by",
    "group_by",
    multiple=True,
    metavar="TABLE.COLUMN",
    help="Slice by a column of users or learning_objectives, such as users.cohort; may be repeated.",
)
@click.option("--minimum", default=100, type=click.IntRange(20), show_default=True, help="Fewest rows of a judgement.")
@click.option("--accuracy", default=0.75, type=click.FloatRange(0, 1), show_default=True, help="Least accuracy.")
@click.option("--recall", default=0.70, type=click.FloatRange(0, 1), show_default=True, help="Least recall.")
@click.option(
    "--degraded", default=0.05, type=click.FloatRange(0, 1), show_default=True, help="Largest share degraded."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead of a table.")
@click.option("--html", type=OutputPath(), help="Write the report as one self-contained page.")
@click.option("--prometheus", type=OutputPath(), help="Write the figures as a Prometheus text file.")
@click.option(
    "--alert-command",
    metavar="CMD",
    help="On an alert, run this program (no shell); its stdin has the report without learners.",
)
@correct_from_option
@click.option("--bootstrap", default=1000, type=click.IntRange(200), show_default=True, help="Resamples.")
def monitor(
    days: float,
    as_of: str | None,
    weeks: int,
    database_url: str,
    schema: str | None,
    group_by: Sequence[str],
    minimum: int,
    accuracy: float,
    recall: float,
    degraded: float,
    as_json: bool,
    html: str | None,
    prometheus: str | None,
    alert_command: str | None,
    correct_from: str,
    bootstrap: int,
) -> None:
    """Report how the predictions of the last days turned out: figures with intervals, slices, drift, alerts.

    The outcome of a prediction is what scripts/record_outcomes.py recorded, unless the learner's feedback says
    otherwise. Learners who opted out of analytics are left out.
    """
    command = _parsed(alert_command)
    if html:
        engine()  # a page that cannot be made is refused before the work
    try:
        with db.connect(database_url, schema_path=schema) as client:
            found = observe(
                client,
                until_ms=_instant(as_of) if as_of else client.now() + 1,
                days=days,
                weeks=weeks,
                group_by=group_by,
                minimum=minimum,
                aims=targets(accuracy, recall, degraded),
                bootstrap=bootstrap,
                correct_from=correct_from,
            )
    except DatabaseError as error:
        raise of_database(error) from None
    if html:
        write_whole(html, page(found))
    if prometheus:
        write_whole(prometheus, exposition(found))
    click.echo(json.dumps(found.to_dict(), allow_nan=False, indent=2) if as_json else table(found))
    if found.alerts:
        if command:
            _tell(command, found)
        raise SystemExit(EXIT_ALERT)


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
) -> Report:
    """The report on the days before until_ms. Raises db.errors.DatabaseError."""
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
    groups = {column: _group(client, column, periods.current, codes) for column in group_by}
    return report(
        periods,
        codes,
        groups,
        lambda mistakes: reasons(client, mistakes),
        since_ms=since_ms,
        until_ms=until_ms,
        minimum=minimum,
        targets=aims,
        bootstrap=bootstrap,
        correct_from=correct_from,
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
        raise Refused(f"{column} tells single learners apart: it is no group to report on.", CONFIGURATION)
    return rows


def _parsed(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise click.UsageError(f"--alert-command cannot be split into words: {error}.") from None


def _instant(text: str) -> int:
    try:
        return parse_iso(text)
    except InvalidFeatures as error:
        raise click.UsageError(f"--as-of: {error}.") from None


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
        click.echo(f"The alert command did not run: {error}", err=True)
        return
    if done.returncode:
        click.echo(f"The alert command ended with {done.returncode}.", err=True)


def main() -> None:
    """The command for a shell: a bug ends it with 70, so that it cannot pass for an alert."""
    try:
        monitor()
    except Exception:
        traceback.print_exc()
        raise SystemExit(EXIT_BUG) from None


if __name__ == "__main__":
    main()
