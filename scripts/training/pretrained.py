"""Makes the model that the repository ships, from one database per platform. Nothing in it depends on the date."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

import db
from ml.evaluation.figures import evaluate
from ml.evaluation.slices import Slice
from ml.places import PRETRAINED
from ml.storage import atomic_files, model_file
from ml.storage.registry import Registry
from ml.study.correctness import ANY
from ml.study.visits import PERFORMANCE_BELOW
from ml.training.examples import ExampleSet
from ml.training.fit import BAGS
from ml.training.model_card import card, readme
from ml.training.prior import Source, Trained, pretrain, with_figures
from scripts.cli.exits import Usage
from scripts.cli.progress import bar
from scripts.labelling.history import build_table, read_examples
from scripts.labelling.part import Extraction
from scripts.training.first_labels import Platform, means, of_left_out, read_platform
from scripts.training.initial import measured
from scripts.training.options import TrainingOptions

HOW_MEASURED = (
    "Each platform was predicted by a model that was trained only on the others. A new platform may expect this"
    " before it trains on its own answers, given its own objective difficulties. The next cards were hidden at random"
    " in half of the visits."
)
ADAPTIVE = "earlier answers decided which card came next, so its first cards taught nothing"


def pretrain_on_platforms(options: TrainingOptions) -> dict[str, object]:
    """Writes pretrained.pkl, its card and README.md; returns what was written and how good it is.

    The model serves both settings of --correct-from if no answer was rated HARD, because they differ only in these.
    Raises Usage where --source does not name each database, and the exceptions of reading and training.
    """
    if not options.urls or len(options.names) != len(options.urls):
        raise Usage("--pretrained needs a --source for each --database-url.")
    for name in options.adaptive:
        if name not in options.names:
            raise Usage("--adaptive must repeat one of the --source.")
    Registry(options.models_dir).prepare()  # before the work, not after it
    mark = PERFORMANCE_BELOW if options.struggle_below is None else options.struggle_below
    with tempfile.TemporaryDirectory() as at:
        logs = [_read(options, url, name, at) for url, name in zip(options.urls, options.names)]
        trained_under = options.correct_from if any(log.hard for log in logs) else ANY
        sources = [log.source for log in logs]
        with bar("fitting", len(logs) + BAGS) as progress:
            trained = pretrain(
                *(sources, "pretrained-1", [log.sentence for log in logs], mark),
                each=lambda step: progress.update(1),
                correct_from=trained_under,
            )
        with bar("first labels", len(logs)) as progress:
            expected = of_left_out(sources, [log.platform for log in logs], mark, lambda: progress.update(1))
    every = _joined(sources)
    saved = with_figures(trained.saved, measured(trained, every))
    platforms = np.repeat([source.name for source in sources], [len(source.known) for source in sources])
    found = card(
        *(saved, every.X, every.y.astype(float), trained.probabilities, every.learner, HOW_MEASURED),
        {"platform": platforms.tolist()},
        _unknown(trained),
    )
    found["first_labels"] = [stage.to_dict() for stage in (*means(expected), *expected)]
    path = os.path.join(options.models_dir, PRETRAINED)
    atomic_files.put(path, model_file.dump(saved))
    atomic_files.put(os.path.join(options.models_dir, "pretrained.json"), json.dumps(found, indent=1).encode() + b"\n")
    atomic_files.put(os.path.join(options.models_dir, "README.md"), readme(found, _remake(options)).encode())
    return {"model": path, "chosen": trained.result.chosen, **saved.figures}


def told_of_prior(made: Mapping[str, object]) -> str:
    """What was made, for people; counts as counts."""
    lines = []
    for name, value in made.items():
        shown = f"{value:,.0f}" if name == "labels" else f"{value:.3f}" if isinstance(value, float) else value
        lines.append(f"{name}: {shown}")
    return "\n".join(lines)


class _Log(NamedTuple):
    """What was read of one platform. sentence: for the card. hard: whether an answer was rated HARD."""

    source: Source
    platform: Platform
    sentence: str
    hard: bool


def _read(options: TrainingOptions, url: str, name: str, directory: str) -> _Log:
    below, correct_from, adaptive = options.struggle_below, options.correct_from, name in options.adaptive
    with db.connect(url) as client:
        until_ms = client.now()
        handle, table = tempfile.mkstemp(dir=directory)
        os.close(handle)
        size = build_table(client, table, until_ms, None, below, correct_from)
        extraction = Extraction(url, None, until_ms, below, correct_from=correct_from)
        known, unknown = (read_examples(client, extraction, each, None, options.workers) for each in (table, None))
        platform = read_platform(client, name, table, below, correct_from, adaptive)
    sentence = f"{name}: {size.answers} answers and {len(known)} labelled visits of {size.learners} learners"
    if adaptive:
        known, unknown = known.without_next_cards(), unknown.without_next_cards()
        sentence += f"; {ADAPTIVE}"
    return _Log(Source(name, known, unknown), platform, sentence, bool(size.hard))


def _remake(options: TrainingOptions) -> str:
    """The commands that make the model again, for its README.md."""
    names = options.names
    adaptive = "".join(f" --adaptive {json.dumps(name)}" for name in options.adaptive)
    imports = "".join(
        f"python -m scripts.import_history LOG{n} --database-url sqlite:///{n}.sqlite3  # {name}\n"
        for n, name in enumerate(names, 1)
    )
    sources = " ".join(
        f"--database-url sqlite:///{number}.sqlite3 --source {json.dumps(name)}" for number, name in enumerate(names, 1)
    )
    return f"{imports}python scripts/train_initial_model.py --pretrained {sources}{adaptive}"


def _unknown(trained: Trained) -> list[Slice]:
    """How the prior does where nobody knows the objective."""
    if trained.unknown is None or not len(trained.unknown.y):
        return []
    return [Slice("objective", "unknown", evaluate(*trained.unknown, threshold=trained.result.threshold))]


def _joined(sources: list[Source]) -> ExampleSet:
    """The known visits of all platforms; learner ids collide between platforms, and so get their platform's number."""
    columns = {name: np.concatenate([getattr(s.known, name) for s in sources]) for name in ExampleSet._fields}
    columns["learner"] = np.concatenate([np.char.add(f"{n}/", s.known.learner) for n, s in enumerate(sources)])
    return ExampleSet(**columns)
