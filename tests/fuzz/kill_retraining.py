"""Kills real trainings at random moments and looks at what they leave: `python -m tests.fuzz.kill_retraining --kills
200`.

Every second kill falls anywhere in the process's life, the others into its saving: shortly after the first
unfinished file appears. Predictions go on meanwhile: a thread loads current.pkl again and again. What is counted as a
fault: current.pkl missing, torn, or not one of the versions; a version gone, changed or torn; a difficulty table that a
version names gone or torn; a lock that outlives its holder; leftovers that the next run does not sweep.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import click

from ml.errors import PredictorError
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.places import HOUSE
from ml.scoring.scorecard import SavedModel
from ml.storage import model_file
from ml.storage.atomic_files import UNFINISHED, WORKSHOP
from ml.storage.levels_file import OPERATING_POINT
from ml.storage.registry import CURRENT, Registry
from ml.study.scales import PLATFORM
from tests.support.small_platform import make_platform
from tests.support.trained_models import scorecard

LEARNERS = 90
FIRST_S = 1_600_000_000
SINCE, UNTIL = (iso((FIRST_S + hours * 3600) * 1000) for hours in (9, 30))
WHEN = "2026-11-23T00:00:00+00:00"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""So small a training is over sooner without threads that wait for each other."""


class Lasting(NamedTuple):
    """Seconds that a training takes, in all and from its first unfinished file."""

    whole_s: float
    saving_s: float

    def shorter(self, whole_s: float) -> Lasting:
        """After one that was over before its kill: the machine has less to do, and later kills must come sooner."""
        return Lasting(min(self.whole_s, whole_s), self.saving_s * 0.8)


class Trainings:
    """A small platform, and a registry whose poor model every retraining beats."""

    def __init__(self, directory: str) -> None:
        self.url = make_platform(directory, LEARNERS, FIRST_S)
        self.models = os.path.join(directory, "models")
        self.registry = Registry(self.models)
        poor = SavedModel("unnamed", scorecard(2), ["made up"], {}, 0.65)
        with self.registry.locked():
            self.poor = self.registry.add(poor, "2020-01-01")
            self.registry.promote(self.poor, WHEN, "start")
        self.seen = self.versions()

    def command(self, script: str) -> list[str]:
        """Retrain, or train as on the first day; the processes of one round are the same each time."""
        told = ["--since", SINCE] if script == "retrain_model.py" else ["--force"]
        command = [sys.executable, os.path.join(HOUSE, "scripts", script), "--database-url", self.url]
        return [*command, "--models-dir", self.models, "--as-of", UNTIL, "--jobs", "1", "--json", *told]

    def begin(self, script: str) -> subprocess.Popen[bytes]:
        """One training, under way; the poor model answers when it begins."""
        with self.registry.locked():
            self.registry.promote(self.poor, WHEN, "start")
        environment = {**os.environ, **ONE_THREAD}
        return subprocess.Popen(
            self.command(script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=self.models
        )

    def versions(self) -> dict[str, bytes]:
        """The bytes of every version."""
        return {name: _content(self.registry.path(name)) for name in self.registry.versions()}

    def leftovers(self) -> list[str]:
        """Names of unfinished files and directories, of this training or of one that was killed."""
        return [name for name in os.listdir(self.models) if name.startswith((UNFINISHED, WORKSHOP))]

    def threshold(self) -> float:
        """The operating threshold of a prediction now."""
        return StrugglePredictionModel.load(os.path.join(self.models, CURRENT)).levels.operating_threshold

    def threshold_of_the_card(self) -> object:
        """The one that was chosen for the model that answers."""
        point = self.registry.card(self.registry.current() or "").get(OPERATING_POINT)
        return point["operating_threshold"] if isinstance(point, dict) else PLATFORM.operating_threshold

    def faults(self) -> Iterator[str]:
        """What is wrong in the registry, where no training runs."""
        versions = self.versions()
        yield from (f"version lost or changed: {name}" for name in self.seen if versions.get(name) != self.seen[name])
        for name in versions.keys() - self.seen.keys():
            try:
                difficulty = model_file.parse(versions[name]).difficulty
            except PredictorError as error:
                yield f"torn version {name}: {error}"
                continue
            if difficulty and model_file.sha256(_content(os.path.join(self.models, difficulty[0]))) != difficulty[1]:
                yield f"difficulty table of {name} torn"
        if _content(os.path.join(self.models, CURRENT)) not in versions.values():
            yield "current.pkl is not one of the versions"
        elif self.threshold() != self.threshold_of_the_card():
            yield "the operating threshold is that of another model than the one that answers"
        try:
            with self.registry.locked(wait=False):
                pass
        except BlockingIOError:
            yield "the lock outlived its holder"
        self.seen = versions


@contextmanager
def predictions(trainings: Trainings, faults: list[str]) -> Iterator[Counter[str]]:
    """Loads current.pkl as predictions do, as long as the block lasts; counts the models found."""
    stop, loaded = threading.Event(), Counter[str]()
    path = os.path.join(trainings.models, CURRENT)

    def load() -> None:
        while not stop.is_set():
            try:
                content, version = _content(path), StrugglePredictionModel.load(path).model_version
                known = content in trainings.seen.values() or content in trainings.versions().values()
                loaded[version if known else "unknown"] += 1
                if not known:
                    faults.append("a prediction read a model that is not one of the versions")
            except (OSError, PredictorError) as error:
                faults.append(f"a prediction failed: {error}")
            time.sleep(0.002)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        yield loaded
    finally:
        stop.set()
        thread.join()


def kill_trainings(directory: str, kills: int, seed: int) -> dict[str, object]:
    """So many kills, then an undisturbed training of each kind and two at once. Returns counts, and faults in words."""
    chance, trainings, faults = random.Random(seed), Trainings(directory), list[str]()
    scripts = ("retrain_model.py", "train_initial_model.py")
    begun = time.monotonic()
    lasts = {script: _undisturbed(trainings, script, faults) for script in scripts}
    found: Counter[str] = Counter(kills=0)
    with predictions(trainings, faults) as loaded:
        while found["kills"] < kills:
            script = scripts[found["kills"] % 3 == 2]
            before, started = len(trainings.seen), time.monotonic()
            process = trainings.begin(script)
            if found["kills"] % 2:
                _wait_for_saving(trainings, process)
                time.sleep(chance.uniform(0.0, lasts[script].saving_s))
            else:
                time.sleep(chance.uniform(0.0, lasts[script].whole_s))
            process.send_signal(signal.SIGKILL)
            said = process.communicate()[1].decode()
            if process.returncode != -signal.SIGKILL:
                found["ended before the kill"] += 1
                lasts[script] = lasts[script].shorter(time.monotonic() - started)
                if process.returncode:
                    faults.append(f"{script} ended with {process.returncode}: {said}")
                continue
            found["kills"] += 1
            left = trainings.leftovers()
            found["left a directory"] += any(name.startswith(WORKSHOP) for name in left)
            found["left a file"] += any(name.startswith(UNFINISHED) for name in left)
            faults += trainings.faults()  # comes into the lock, as the next run does
            faults += [f"not swept: {name}" for name in trainings.leftovers()]
            found["left a new version"] += len(trainings.seen) > before
            found["left it answering"] += trainings.registry.current() != trainings.poor
        for script in scripts:
            _undisturbed(trainings, script, faults)
        two = _two_at_once(trainings, faults)
    return {
        **found,
        "versions": len(trainings.seen),
        "loads": sum(loaded.values()),
        "models loaded": len(loaded),
        "two at once": two,
        "seconds": round(time.monotonic() - begun, 1),
        "faults": faults,
    }


def _undisturbed(trainings: Trainings, script: str, faults: list[str]) -> Lasting:
    """A training that nobody kills; it leaves a version, which answers."""
    begun, before = time.monotonic(), len(trainings.seen)
    process = trainings.begin(script)
    _wait_for_saving(trainings, process)
    saving = time.monotonic()
    said = process.communicate()[1].decode()
    ended = time.monotonic()
    if process.returncode:
        faults.append(f"{script} ended with {process.returncode}: {said}")
    faults += trainings.faults()
    faults += [f"not swept: {name}" for name in trainings.leftovers()]
    if len(trainings.seen) != before + 1 or trainings.registry.current() == trainings.poor:
        faults.append(f"{script} left no new model")
    return Lasting(ended - begun, ended - saving)


def _two_at_once(trainings: Trainings, faults: list[str]) -> list[int]:
    """Exit codes of two retrainings begun together: one works, the other says that it does."""
    before = len(trainings.seen)
    both = [trainings.begin("retrain_model.py") for _ in range(2)]
    told = [process.communicate()[1].decode() for process in both]
    codes = [process.returncode for process in both]
    faults += trainings.faults()
    done, refused = codes.count(0), codes.count(75)
    if done < 1 or done + refused != 2 or len(trainings.seen) != before + done:
        faults.append(f"two at once ended with {codes}: {told}")
    return sorted(codes)


def _wait_for_saving(trainings: Trainings, process: subprocess.Popen[bytes]) -> None:
    """Until the first file is in the making, or a new one is there already."""
    names = set(os.listdir(trainings.models))
    while process.poll() is None:
        fresh = set(os.listdir(trainings.models)) - names
        if any(not name.startswith(WORKSHOP) for name in fresh):
            return
        time.sleep(0.001)


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


@click.command()
@click.option("--kills", default=200, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True)
def main(kills: int, seed: int) -> None:
    """Kill so many trainings; print what was found as JSON. Exit code 1 on a fault."""
    with tempfile.TemporaryDirectory(prefix="killed-") as directory:
        found = kill_trainings(directory, kills, seed)
    click.echo(json.dumps(found, indent=1))
    raise SystemExit(bool(found["faults"]))


if __name__ == "__main__":
    main()
