"""`python -m scripts.benchmark quality`: how well each method predicts struggles of learners it has never seen.

Every method sees the same training learners (three quarters) and is judged on the same visits of the others, before the
visit's first answer. A method learns what it needs to know about objectives from the training learners alone. The
shipped model is not compared, because it was trained on all of these learners; a model pretrained on the other sets
takes its place.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

import click

from ml.features.vector import FEATURE_NAMES
from ml.study.visits import PERFORMANCE_BELOW
from scripts.benchmarks.quality_sets import SETS, LogSet, known_sets, own_sets
from scripts.benchmarks.report import Goal, Record, Report, reported
from scripts.benchmarks.run import SQLITE_VERSION, Run, this_run
from scripts.cli.exits import Usage
from scripts.cli.extras import Extras
from scripts.importing.answers import MalformedLog

extras = Extras()
with extras:
    from ml.evaluation.figures import Evaluation, evaluate
    from ml.evaluation.metrics import Floats, logistic, logit
    from ml.training.examples import ExampleSet
    from ml.training.prior import Source
    from scripts.benchmarks import quality_methods as by
    from scripts.benchmarks.quality_tasks import Task, task_of
    from scripts.training.first_labels import Stage, means, of_left_out

RULES, BOOSTING, OURS = "hand rules", "unrestricted boosting", "this model"
FIGURES = {"auc": "AUC", "ece": "ECE", "brier": "Brier score", "log_loss": "log-loss", "struggle_rate": "struggle rate"}
ELSEWHERE, UNKNOWN = "this model, trained on the other sets", "the same, difficulty unknown"
AT_MARK, RULES_AT_MARK = "this model, at the platform's mark", "hand rules, at the platform's mark"
"""Beside them: a prior is labelled and judged by the platform's definition of a struggle, as the shipped one is."""
EBM, GRU, BLEND = "EBM", "GRU", "mean logit of this model and the GRU"
FIRST = ", learners without answers"
STAGE_FIGURES = {
    "auc": "AUC",
    "ece": "ECE",
    "log_loss": "log-loss",
    "width": "interval's width",
    "covered": "tenths within the interval",
}
ANSWERS = FEATURE_NAMES.index("answers_of_history")


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
        found.append(Aim(name, "auc", ELSEWHERE, AT_MARK, -0.02))
        found.append(Aim(name, "auc", UNKNOWN, RULES_AT_MARK, 0.0))
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
@click.option(
    "--torch-python",
    metavar="PATH",
    help="An interpreter that has PyTorch, such as /usr/bin/python3 with Debian's python3-torch. The GRU needs it.",
)
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="How many processes share the work.")
def quality(
    data: str | None,
    logs: tuple[str, ...],
    names: tuple[str, ...],
    without_pybkt: bool,
    torch_python: str | None,
    jobs: int,
) -> Report:
    """Compare this model with the rules, PFA, Best-LR, pyBKT, boosting, EBM and a GRU on learners left out.

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
        tasks = [_task_of(each, at, jobs, len(chosen) > 1) for each in chosen]
        beside = [task.beside for task in tasks if task.beside is not None]
        asked = Asked(at, not without_pybkt, torch_python, {})
        found = {task.name: compared(task, [each.source for each in beside], asked) for task in tasks}
        sources, platforms = [each.source for each in beside], [each.platform for each in beside]
        expected = of_left_out(sources, platforms, PERFORMANCE_BELOW, lambda: click.echo("first labels", err=True))
    return report_of(found, this_run((SQLITE_VERSION,)), expected, list(asked.notes))


def _task_of(log_set: LogSet, directory: str, jobs: int, several: bool) -> Task:
    try:
        return task_of(log_set, directory, jobs, several)
    except (MalformedLog, OSError) as error:
        raise Usage(f"{click.format_filename(log_set.path)}: {error}") from None


class Asked(NamedTuple):
    """What the run may use: a directory for files, pyBKT, and an interpreter with PyTorch.

    notes: filled with a sentence for each method that could not be run.
    """

    directory: str
    pybkt: bool
    torch_python: str | None
    notes: dict[str, None]


def compared(task: Task, sources: Sequence[Source], asked: Asked) -> dict[str, Evaluation]:
    """Each method's figures on the test learners' visits."""
    train, test = task.examples.select(task.training), task.examples.select(task.test)
    unknown = task.unknown.select(task.test)
    ours = cache(lambda: by.this_model(train))
    methods: dict[str, tuple[ExampleSet, Callable[[], Floats]]] = {
        RULES: (test, lambda: by.rules_alone(unknown)),
        "PFA": (test, lambda: by.counts(task, by.pfa_columns)),
        "Best-LR": (test, lambda: by.counts(task, by.best_lr_columns)),
        BOOSTING: (test, lambda: by.boosting(train, test)),
        EBM: (test, lambda: by.ebm(train, test)),
        GRU: (test, cache(lambda: by.gru(task, asked.directory, asked.torch_python))),
        OURS: (test, lambda: ours().probabilities(test.X)),
    }
    methods[BLEND] = test, lambda: logistic((ours().logits(test.X) + logit(methods[GRU][1]())) / 2)
    if asked.pybkt:
        methods["pyBKT"] = test, lambda: by.pybkt(task, asked.directory)
    if task.beside is not None:
        source = task.beside.source
        at_mark, unknown_at_mark = source.known.select(task.test), source.unknown.select(task.test)
        taught = source.known.select(task.training)
        prior = by.pretrained_on([other for other in sources if other.name != source.name])
        methods[RULES_AT_MARK] = at_mark, lambda: by.rules_alone(unknown_at_mark)
        methods[AT_MARK] = at_mark, lambda: by.this_model(taught).probabilities(at_mark.X)
        methods[ELSEWHERE] = at_mark, lambda: prior.probabilities(at_mark.X)
        methods[UNKNOWN] = at_mark, lambda: prior.probabilities(unknown_at_mark.X)
    found = {}
    for name, (examples, method) in methods.items():
        click.echo(f"{task.name}: {name}", err=True)
        try:
            probabilities = method()
        except by.NotRun as reason:
            asked.notes[str(reason)] = None
            continue
        y = examples.y.astype(float)
        found[name] = evaluate(y, probabilities, examples.learner)
        first = examples.X[:, ANSWERS] == 0
        if name in (RULES, OURS, ELSEWHERE, UNKNOWN) and len(set(y[first].tolist())) == 2:
            found[name + FIRST] = evaluate(y[first], probabilities[first], examples.learner[first])
    return found


def report_of(
    found: Mapping[str, Mapping[str, Evaluation]],
    measured_by: Run,
    expected: Sequence[Stage] = (),
    notes: Iterable[str] = (),
) -> Report:
    """The figures of every method on every set, those by number of own labels, and the goals that these decide."""
    records = chain.from_iterable(
        _records(f"{name}: {method}", evaluation)
        for name, methods in found.items()
        for method, evaluation in methods.items()
    )
    goals = [goal for aim in _aims() if aim.name in found and (goal := aim.goal(found[aim.name])) is not None]
    stages = chain.from_iterable(_stage(stage) for stage in (*means(expected), *expected))
    bounds = "the 95 % interval over learners"
    return Report("quality", measured_by, [*records, *stages], goals, bounds, list(notes))


def _stage(stage: Stage) -> Iterator[Record]:
    labels = f"{stage.labels:,} own labels" if stage.labels else "before any label"
    of = f"{stage.platform}: a prior of the other sets, {labels}, difficulties {stage.table}"
    for name, title in STAGE_FIGURES.items():
        yield Record(of, title, getattr(stage.expected, name))


def _records(of: str, evaluation: Evaluation) -> Iterator[Record]:
    for name, title in FIGURES.items():
        figure = evaluation.figure(name)
        if figure.value is not None:
            yield Record(of, title, figure.value, figure.low, figure.high)
        if name == "ece" and evaluation.ece_noise_floor is not None:
            yield Record(of, "its noise floor", evaluation.ece_noise_floor)
    yield Record(of, "visits", evaluation.n)
    yield Record(of, "learners", evaluation.learners)
