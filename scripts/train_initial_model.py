"""Train a model on the history in a database: `python scripts/train_initial_model.py`.

Writes models/struggle_prediction_v1.0_DATE.pkl with its card and its difficulty table, and lets it answer
(models/current.pkl). With --pretrained, several databases give the model that the repository ships.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

import db
from db.errors import DatabaseError
from ml.errors import InvalidFeatures, ModelUnsuited, NotEnoughExamples, PredictorError
from ml.instants import parse_iso
from ml.model import suited
from ml.places import shipped
from ml.scoring.scorecard import SavedModel
from ml.storage import atomic_files, model_file
from ml.storage.registry import Registry
from ml.study.correctness import ANY
from ml.study.visits import PERFORMANCE_BELOW
from scripts.cli.correct_option import correct_from_option
from scripts.cli.database_options import database_options
from scripts.cli.exits import CONFIGURATION, UNAVAILABLE, USAGE, ExtraMissing, Refused, of_database
from scripts.cli.extras import Extras
from scripts.cli.model_options import models_dir_option
from scripts.cli.streams import in_one_line
from scripts.workers.backends import Workers, WorkersLost
from scripts.workers.options import engine_options, names_workers, workers_of

extras = Extras()
with extras:
    import numpy as np

    from ml.evaluation.figures import evaluate
    from ml.evaluation.slices import Slice
    from ml.training.examples import ExampleSet
    from ml.training.fit import BAGS, HELD_OUT_FOLDS
    from ml.training.model_card import card, figures_of, readme
    from ml.training.prior import Source, Trained, adapt, pretrain, refuse_too_few, with_figures
    from scripts.labelling.history import bar, build_table, learners_named_in, read_examples
    from scripts.labelling.part import Extraction

PRETRAINED = "pretrained.pkl"
NOT_ENOUGH = 1

HOW_OWN = (
    "Each visit was predicted from strictly earlier answers by a model that saw no visit of that learner; objective"
    " difficulties come from other learners. Calibration and the choice among {} candidates used the same rows."
)
HOW_PRETRAINED = (
    "Each platform was predicted by a model that saw only the others: what a new platform may expect before it trains"
    " on its own answers, given its own objective difficulties. A part of the time features was hidden at random."
)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@extras.required
@database_options(
    several=True,
    models=True,
    looks_for_env_file=lambda options: False,
    needed=lambda options: names_workers(options) and not options["pretrained"],
)
@models_dir_option
@click.option("--prior", metavar="PATH", help="The model to start from. Default: pretrained.pkl.")
@click.option(
    "--struggle-below",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Label a visit by this share right, in place of the platform's definition.",
)
@click.option("--learners", metavar="FILE", help="Train only on the learners named in FILE, one id a line.")
@click.option(
    "--difficulty-only", is_flag=True, help="Keep the prior's weights; learn only how hard the objectives are."
)
@click.option("--as-of", metavar="ISO", help="Train on what had happened by then. Default: the database's now.")
@click.option("--pretrained", is_flag=True, help="Make pretrained.pkl, its card and README.md out of all databases.")
@click.option(
    "--source", "names", multiple=True, metavar="TEXT", help="With --pretrained: what each database holds, in order."
)
@correct_from_option
@engine_options(jobs=2)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def train_initial_model(
    urls: tuple[str, ...],
    schema: str | None,
    models_dir: str,
    prior: str | None,
    struggle_below: float | None,
    learners: str | None,
    difficulty_only: bool,
    as_of: str | None,
    pretrained: bool,
    names: tuple[str, ...],
    correct_from: str,
    as_json: bool,
    **engine: Any,
) -> None:
    """Learn from the study history in a database, and let the new model answer.

    Below 50 labelled visits, or with one outcome only, nothing is written and the present model stays. Below 100 the
    shipped weights stay as they are, and only the platform's difficulties are learned.

    \b
    Exit codes:
      0    a model was written
      1    too few labelled visits: the present model stays
      2    the arguments
      69   the database or the workers are unreachable
      78   configuration: unsupported URL, a prior that must not be used
    """
    workers = workers_of(**engine)
    try:
        if pretrained:
            said = _pretrained(urls, names, models_dir, struggle_below, correct_from, workers)
        elif len(urls) > 1:
            raise Refused("several --database-url need --pretrained", USAGE)
        else:
            chosen = learners_named_in(learners)
            url, until_ms = urls[0], None if as_of is None else parse_iso(as_of)
            how = struggle_below, correct_from
            said = _own(url, schema, models_dir, prior, how, chosen, difficulty_only, until_ms, workers)
    except NotEnoughExamples as refusal:
        raise Refused(str(refusal), NOT_ENOUGH) from None
    except InvalidFeatures as error:  # of --as-of
        raise Refused(str(error), USAGE) from None
    except WorkersLost as error:
        raise Refused(str(error), UNAVAILABLE) from None
    except (ExtraMissing, PredictorError) as error:
        raise Refused(str(error), CONFIGURATION) from None
    except DatabaseError as error:
        raise of_database(error) from None
    if as_json:
        click.echo(json.dumps(said))
        return
    for name, value in said.items():
        click.echo(
            f"{name}: {value:.{0 if name == 'labels' else 4}f}" if isinstance(value, float) else f"{name}: {value}"
        )
    if difficulty_only:
        click.echo("The weights were kept; the figures are those measured when the weights were trained.")


def _own(
    url: str,
    schema: str | None,
    models_dir: str,
    prior_path: str | None,
    judged_by: tuple[float | None, str],
    learner_ids: list[str] | None,
    difficulty_only: bool,
    until_ms: int | None,
    workers: Workers,
) -> dict[str, object]:
    """Train on one platform; what was written and how good it is. judged_by: (struggle_below, correct_from)."""
    struggle_below, correct_from = judged_by
    prior = _prior(prior_path, models_dir, correct_from)
    Registry(models_dir).prepare()
    with (
        db.connect(url, schema_path=schema) as client,
        atomic_files.workshop(models_dir) as at,
    ):
        until_ms = client.now() if until_ms is None else until_ms
        table = os.path.join(at, "difficulty")
        size = build_table(client, table, until_ms, learner_ids, struggle_below, correct_from)
        source = f"{client.label}: {size.answers} answers of {size.learners} learners"
        if difficulty_only:
            if not size.answers:
                raise NotEnoughExamples("there is no answer to learn a difficulty from: prior kept")
            sources = [*prior.sources, f"difficulties from {source}"]
            return _keep(models_dir, table, until_ms, prior, sources, None, {}, correct_from)
        extraction = Extraction(url, schema, until_ms, struggle_below, correct_from=correct_from)
        examples = read_examples(client, extraction, table, learner_ids, workers)
        refuse_too_few(examples.y.astype(float))
        with bar("fitting", HELD_OUT_FOLDS + BAGS) as progress:
            trained = adapt(
                prior,
                examples.X,
                examples.y.astype(float),
                examples.learner,
                "unsaved",
                [source],
                struggle_below,
                each=lambda step: progress.update(),
                correct_from=correct_from,
            )
        how = HOW_OWN.format(len(trained.result.log_losses))
        found = card(trained.saved, examples.X, examples.y.astype(float), trained.probabilities, examples.learner, how)
        saved = with_figures(trained.saved, _figures(trained, examples))
        chosen = {"chosen": trained.result.chosen}
        return _keep(models_dir, table, until_ms, saved, list(saved.sources), found, chosen, correct_from)


def _keep(
    models_dir: str,
    table: str,
    until_ms: int,
    saved: SavedModel,
    sources: list[str],
    found: dict[str, object] | None,
    more: Mapping[str, object],
    correct_from: str,
) -> dict[str, object]:
    """Put the difficulty table and the model into the registry, and let the model answer."""
    now = datetime.now(timezone.utc)
    registry = Registry(models_dir)
    with open(table, "rb") as file:
        content = file.read()
    with registry.locked():
        difficulty = registry.add_difficulty(content)
        model = SavedModel(
            *(saved.model_version, saved.scorecard, sources, saved.figures, saved.struggle_below, until_ms, difficulty),
            correct_from=correct_from,  # that of the difficulties, also where the weights are the shipped ones
        )
        version = registry.add(model, now.date().isoformat(), found)
        registry.promote(version, now.isoformat(timespec="seconds"), "initial training")
    return {
        "model": os.path.join(models_dir, version + ".pkl"),
        "difficulty": difficulty[0],
        "correct_from": correct_from,
        **more,
        **saved.figures,
    }


def _pretrained(
    urls: tuple[str, ...],
    names: tuple[str, ...],
    models_dir: str,
    struggle_below: float | None,
    correct_from: str,
    workers: Workers,
) -> dict[str, object]:
    """The shipped model out of one database a platform; nothing in it depends on the day.

    It serves both settings where no answer was rated HARD, which is all that they differ in.
    """
    if not urls or len(names) != len(urls):
        raise Refused("--pretrained needs a --source for each --database-url", USAGE)
    Registry(models_dir).prepare()  # before the work, not after it
    sources, sentences, trained_under = [], [], ANY
    with tempfile.TemporaryDirectory() as at:
        for url, name in zip(urls, names):
            with db.connect(url) as client:
                until_ms = client.now()
                table = os.path.join(at, "difficulty")
                size = build_table(client, table, until_ms, None, struggle_below, correct_from)
                extraction = Extraction(url, None, until_ms, struggle_below, correct_from=correct_from)
                known, unknown = (read_examples(client, extraction, each, None, workers) for each in (table, None))
            trained_under = correct_from if size.hard else trained_under
            sources.append(Source(name, known, unknown))
            sentences.append(
                f"{name}: {size.answers} answers and {len(known)} labelled visits of {size.learners} learners"
            )
    mark = PERFORMANCE_BELOW if struggle_below is None else struggle_below
    with bar("fitting", len(sources) + BAGS) as progress:
        trained = pretrain(
            sources, "pretrained-1", sentences, mark, each=lambda step: progress.update(), correct_from=trained_under
        )
    every = _joined(sources)
    saved = with_figures(trained.saved, _figures(trained, every))
    platforms = np.repeat([source.name for source in sources], [len(source.known) for source in sources])
    found = card(
        saved,
        every.X,
        every.y.astype(float),
        trained.probabilities,
        every.learner,
        HOW_PRETRAINED,
        {"platform": platforms.tolist()},
        _unknown(trained),
    )
    imports = "".join(
        f"python -m scripts.import_history LOG{n} --database-url sqlite:///{n}.sqlite3  # {name}\n"
        for n, name in enumerate(names, 1)
    )
    remake = f"{imports}python scripts/train_initial_model.py --pretrained " + " ".join(
        f"--database-url sqlite:///{number}.sqlite3 --source {json.dumps(name)}" for number, name in enumerate(names, 1)
    )
    atomic_files.put(os.path.join(models_dir, PRETRAINED), model_file.dump(saved))
    atomic_files.put(os.path.join(models_dir, "pretrained.json"), json.dumps(found, indent=1).encode() + b"\n")
    atomic_files.put(os.path.join(models_dir, "README.md"), readme(found, remake).encode())
    return {"model": os.path.join(models_dir, PRETRAINED), "chosen": trained.result.chosen, **saved.figures}


def _prior(path: str | None, models_dir: str, correct_from: str) -> SavedModel:
    """The model to start from: the one named, else pretrained.pkl of the directory, else the shipped one.

    One of another format, for other features or trained under another setting is passed over with a sentence.
    """
    own = os.path.join(models_dir, PRETRAINED)
    for candidate in [path] if path is not None else [own] if os.path.exists(own) else []:
        try:
            return suited(candidate, correct_from)
        except ModelUnsuited as unsuited:
            click.echo(in_one_line(f"{unsuited}. Training starts from the shipped model."), err=True)
    return suited(shipped(), correct_from)


def _figures(trained: Trained, examples: ExampleSet) -> dict[str, float | None]:
    y = examples.y.astype(float)
    return figures_of(evaluate(y, trained.probabilities, examples.learner, bootstrap=0))


def _unknown(trained: Trained) -> list[Slice]:
    """How the prior does where nobody knows the objective."""
    if trained.unknown is None or not len(trained.unknown.y):
        return []
    return [Slice("objective", "unknown", evaluate(*trained.unknown, threshold=trained.result.threshold))]


def _joined(sources: list[Source]) -> ExampleSet:
    """All platforms' known visits; learner ids collide between platforms, hence the numbers."""
    columns = {name: np.concatenate([getattr(s.known, name) for s in sources]) for name in ExampleSet._fields}
    columns["learner"] = np.concatenate([np.char.add(f"{n}/", s.known.learner) for n, s in enumerate(sources)])
    return ExampleSet(**columns)


if __name__ == "__main__":
    train_initial_model()
