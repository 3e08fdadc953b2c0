"""`python -m scripts.benchmark quality`: how well each method predicts struggles of learners it has never seen.

Every method sees the same training learners (three quarters) and is judged on the same visits of the others, before the
visit's first answer. A method learns what it needs to know about objectives from the training learners alone. The
shipped model is not compared, because it was trained on all of these learners; a model pretrained on the other sets
takes its place.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import click

from scripts.benchmarks.quality_sets import SETS, LogSet, known_sets, own_sets
from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run
from scripts.cli.exits import Usage
from scripts.cli.extras import Extras
from scripts.importing.answers import MalformedLog

extras = Extras()
with extras:
    from ml.evaluation.figures import Evaluation, evaluate
    from ml.evaluation.metrics import Floats
    from scripts.benchmarks import quality_methods as by
    from scripts.benchmarks.quality_tasks import Task, task_of

RULES, BOOSTING, OURS = "hand rules", "unrestricted boosting", "this model"
FIGURES = {"auc": "AUC", "ece": "ECE", "brier": "Brier score", "log_loss": "log-loss", "struggle_rate": "struggle rate"}
ELSEWHERE, UNKNOWN = "this model, trained on the other sets", "the same, difficulty unknown"


class Aim(NamedTuple):
    """A goal on one set: `figure` of `method`, minus that of `beside` where named, is at least (or at most) `bound`."""

    name: str
    figure: str
    method: str
    beside: str
    bound: float
    at_most: bool = False

    def goal(self, methods: Mapping[str, Evaluation]) -> Goal | None:
        """The measured value beside the bound; None where the run lacks a method."""
        if self.method not in methods or (self.beside and self.beside not in methods):
            return None
        value = methods[self.method].figures[self.figure].value or 0.0
        if self.beside:
            value -= methods[self.beside].figures[self.figure].value or 0.0
        beside = f" less {self.beside}" if self.beside else ""
        return Goal(f"{self.name}: {self.figure} of {self.method}{beside}", value, self.bound, self.at_most)


def _aims() -> list[Aim]:
    """What the model must show; the margins over the others are those of an earlier study of the same logs."""
    found = [
        Aim("assistments09", "auc", OURS, "", 0.775),
        Aim("assistments09", "ece", OURS, "", 0.02, at_most=True),
        Aim("algebra05", "auc", OURS, "", 0.825),
        Aim("algebra05", "ece", OURS, "", 0.015, at_most=True),
        Aim("lkt_cloze", "auc", OURS, RULES, 0.05),
    ]
    margins = {"assistments09": (0.086, 0.080, 0.059), "algebra05": (0.046, 0.031, 0.026)}
    for name, least in margins.items():
        found += [Aim(name, "auc", OURS, method, bound) for method, bound in zip(("pyBKT", "PFA", "Best-LR"), least)]
    for name in SETS:
        found.append(Aim(name, "auc", OURS, BOOSTING, -0.003))
        found.append(Aim(name, "auc", ELSEWHERE, OURS, -0.02))
        found.append(Aim(name, "auc", UNKNOWN, RULES, 0.0))
    return found


@click.command()
@reported
@extras.required
@click.option(
    "--data",
    envvar="STRUGGLE_DATA",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="The directory of the data sets.",
)
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Compare on this answer log of your own, in the plain layout, instead of the data sets.",
)
@click.option("--set", "names", multiple=True, type=click.Choice(sorted(SETS)), help="Default: every set in DIR.")
@click.option("--without-pybkt", is_flag=True, help="pyBKT needs an environment of its own, which is made with pip.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="How many processes share the work.")
def quality(data: str | None, logs: tuple[str, ...], names: tuple[str, ...], without_pybkt: bool, jobs: int) -> Report:
    """Compare this model with the rules, PFA, Best-LR, pyBKT and unrestricted boosting on learners left out.

    DIR holds one folder per set, each with an interactions.csv.gz.
    """
    chosen = own_sets(logs)
    if names or not logs:
        if data is None:
            raise Usage("Name the directory of the data sets with --data, or an answer log with --log.")
        chosen += known_sets(data, names)
        if not chosen:
            raise Usage(f"{click.format_filename(data)} holds no known set.")
    with tempfile.TemporaryDirectory() as at:
        tasks = [_task_of(each, at, jobs) for each in chosen]
        found = {task.name: compared(task, tasks, None if without_pybkt else at) for task in tasks}
    return report_of(found, this_run((SQLITE_VERSION,)))


def _task_of(log_set: LogSet, directory: str, jobs: int) -> Task:
    try:
        return task_of(log_set, directory, jobs)
    except (MalformedLog, OSError) as error:
        raise Usage(f"{click.format_filename(log_set.path)}: {error}") from None


def compared(task: Task, tasks: Sequence[Task], directory: str | None) -> dict[str, Evaluation]:
    """Each method's figures on the test learners' visits."""
    train, test = task.examples.select(task.training), task.examples.select(task.test)
    unknown = task.unknown.select(task.test)
    methods: dict[str, Callable[[], Floats]] = {
        RULES: lambda: by.rules_alone(unknown),
        "PFA": lambda: by.counts(task, by.pfa_columns),
        "Best-LR": lambda: by.counts(task, by.best_lr_columns),
        BOOSTING: lambda: by.boosting(train, test),
        OURS: lambda: by.this_model(train, test),
    }
    if directory is not None:
        methods["pyBKT"] = lambda: by.pybkt(task, directory)
    others = [other for other in tasks if other.name != task.name]
    if others:
        prior = by.pretrained_on(others)
        methods[ELSEWHERE] = lambda: prior.probabilities(test.X)
        methods[UNKNOWN] = lambda: prior.probabilities(unknown.X)
    found = {}
    for name, method in methods.items():
        click.echo(f"{task.name}: {name}", err=True)
        found[name] = evaluate(test.y.astype(float), method(), test.learner)
    return found


def report_of(found: Mapping[str, Mapping[str, Evaluation]], measured_by: Run) -> Report:
    """The figures of every method on every set, and the goals whose methods the run has."""
    records = chain.from_iterable(
        _records(f"{name}: {method}", evaluation)
        for name, methods in found.items()
        for method, evaluation in methods.items()
    )
    goals = [goal for aim in _aims() if aim.name in found and (goal := aim.goal(found[aim.name])) is not None]
    return Report("quality", measured_by, list(records), goals, "the 95 % interval over learners")


def _records(of: str, evaluation: Evaluation) -> Iterator[Record]:
    for name, title in FIGURES.items():
        figure = evaluation.figure(name)
        if figure.value is not None:
            yield Record(of, title, figure.value, figure.low, figure.high)
        if name == "ece" and evaluation.ece_noise_floor is not None:
            yield Record(of, "its noise floor", evaluation.ece_noise_floor)
    yield Record(of, "visits", evaluation.n)
    yield Record(of, "learners", evaluation.learners)
