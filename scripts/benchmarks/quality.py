"""`python -m scripts.benchmark quality`: how well each method foretells struggles of learners it has never seen.

Every method sees the same training learners (three quarters) and is judged on the same visits of the others, before
the visit's first answer. What a method needs to know of objectives it learns from the training learners alone. The
shipped model is not among them: it has seen all of these learners. In its place stands one pretrained on the other
sets.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import click

from scripts.benchmarks.quality_sets import SETS
from scripts.cli.exits import USAGE, Refused
from scripts.cli.extras import Extras
from scripts.cli.output_file import OutputPath, write_whole

extras = Extras()
with extras:
    from ml.evaluation.figures import Evaluation, evaluate
    from scripts.benchmarks import quality_methods as by
    from scripts.benchmarks.quality_tasks import Task, task_of

RULES, BOOSTING, OURS = "hand rules", "unrestricted boosting", "this model"
ELSEWHERE, UNKNOWN = "this model, trained on the other sets", "the same, difficulty unknown"


class Goal(NamedTuple):
    """On one set: `figure` of `method`, less that of `beside` where one is named, at least (or at most) `bound`."""

    name: str
    figure: str
    method: str
    beside: str
    bound: float
    at_most: bool = False

    def told(self, methods: Mapping[str, Evaluation]) -> dict[str, object] | None:
        """What was measured against the bound; None where the run lacks a method."""
        if self.method not in methods or (self.beside and self.beside not in methods):
            return None
        value = methods[self.method].figures[self.figure].value or 0.0
        if self.beside:
            value -= methods[self.beside].figures[self.figure].value or 0.0
        met = value <= self.bound if self.at_most else value >= self.bound
        beside = f" less {self.beside}" if self.beside else ""
        return {
            "goal": f"{self.name}: {self.figure} of {self.method}{beside}",
            "value": round(value, 4),
            "bound": f"at {'most' if self.at_most else 'least'} {self.bound:g}",
            "met": met,
        }


def _goals() -> list[Goal]:
    """What the model must show; the margins over the others are those of an earlier study of the same logs."""
    found = [
        Goal("assistments09", "auc", OURS, "", 0.775),
        Goal("assistments09", "ece", OURS, "", 0.02, at_most=True),
        Goal("algebra05", "auc", OURS, "", 0.825),
        Goal("algebra05", "ece", OURS, "", 0.015, at_most=True),
        Goal("lkt_cloze", "auc", OURS, RULES, 0.05),
    ]
    margins = {"assistments09": (0.086, 0.080, 0.059), "algebra05": (0.046, 0.031, 0.026)}
    for name, least in margins.items():
        found += [Goal(name, "auc", OURS, method, bound) for method, bound in zip(("pyBKT", "PFA", "Best-LR"), least)]
    for name in SETS:
        found.append(Goal(name, "auc", OURS, BOOSTING, -0.003))
        found.append(Goal(name, "auc", ELSEWHERE, OURS, -0.02))
        found.append(Goal(name, "auc", UNKNOWN, RULES, 0.0))
    return found


@click.command()
@extras.required
@click.option(
    "--data", envvar="STRUGGLE_DATA", required=True, type=click.Path(exists=True, file_okay=False), metavar="DIR"
)
@click.option("--set", "names", multiple=True, type=click.Choice(sorted(SETS)), help="Default: every set in DIR.")
@click.option("--without-pybkt", is_flag=True, help="pyBKT needs an environment of its own, which is made with pip.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1))
@click.option("--json", "json_path", type=OutputPath(), help="Write all figures with intervals here.")
def quality(data: str, names: tuple[str, ...], without_pybkt: bool, jobs: int, json_path: str | None) -> None:
    """Compare this model with the rules, PFA, Best-LR, pyBKT and unrestricted boosting on learners left out.

    DIR holds one folder a set with interactions.csv.gz. Prints a Markdown table of AUC and ECE.
    """
    chosen = [name for name in (names or SETS) if os.path.exists(os.path.join(data, name, "interactions.csv.gz"))]
    if not chosen:
        raise Refused(f"{click.format_filename(data)} holds no known set", USAGE)
    with tempfile.TemporaryDirectory() as at:
        tasks = [task_of(data, name, at, jobs) for name in chosen]
        found = {task.name: compared(task, tasks, None if without_pybkt else at) for task in tasks}
    goals = [told for goal in _goals() if goal.name in found and (told := goal.told(found[goal.name])) is not None]
    if json_path:
        sets = {name: {method: e.to_dict() for method, e in methods.items()} for name, methods in found.items()}
        write_whole(json_path, json.dumps({"sets": sets, "goals": goals}, indent=1) + "\n")
    click.echo(markdown(found) + "\n")
    for row in goals:
        verdict = f"{row['value']:8.4f}  {row['bound']:15}  {'met' if row['met'] else 'MISSED'}"
        click.echo(f"{row['goal']:80}  {verdict}")


def compared(task: Task, tasks: Sequence[Task], directory: str | None) -> dict[str, Evaluation]:
    """Each method's figures on the test learners' visits."""
    train, test = task.examples.select(task.training), task.examples.select(task.test)
    unknown = task.unknown.select(task.test)
    methods: dict[str, Callable[[], by.Floats]] = {
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
        methods[ELSEWHERE] = lambda: by.probability(prior.logits(test.X))
        methods[UNKNOWN] = lambda: by.probability(prior.logits(unknown.X))
    found = {}
    for name, method in methods.items():
        click.echo(f"{task.name}: {name}", err=True)
        found[name] = evaluate(test.y.astype(float), method(), test.learner)
    return found


def markdown(found: dict[str, dict[str, Evaluation]]) -> str:
    """AUC with its interval, and ECE with its noise floor, a column a set."""
    methods = list(dict.fromkeys(method for of_set in found.values() for method in of_set))
    lines = ["| AUC [95 %] / ECE (noise floor) | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    sizes = [next(iter(of_set.values())) for of_set in found.values()]
    told = [f"{e.n} / {e.learners} / {e.figures['struggle_rate'].value:.3f}" for e in sizes]
    lines.append("| test visits / learners / base rate | " + " | ".join(told) + " |")
    for method in methods:
        cells = [_cell(of_set[method]) if method in of_set else "-" for of_set in found.values()]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(evaluation: Evaluation) -> str:
    auc, ece = evaluation.figures["auc"], evaluation.figures["ece"]
    if auc.value is None or auc.low is None or auc.high is None or ece.value is None:
        return "-"
    floor = f" ({evaluation.ece_noise_floor:.3f})" if evaluation.ece_noise_floor is not None else ""
    return f"{auc.value:.4f} [{auc.low:.3f}, {auc.high:.3f}] / {ece.value:.3f}{floor}"
