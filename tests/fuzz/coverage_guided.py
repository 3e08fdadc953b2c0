"""Coverage-guided fuzzing beside the seeded fuzzer: `python -m tests.fuzz.coverage_guided url --runs 100000`.

libFuzzer, through atheris, keeps what reaches new code of ml, db and predict.py and goes on from there. A find ends
the run with exit code 77, a traceback and the input in a file; a target that does not return within 30 seconds ends
it with the stack it hangs in. `--planted` breaks the product in one place that no seed reaches: it must be found.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import pkgutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import atheris
import click

with atheris.instrument_imports(include=["db", "ml", "predict"]):
    import db
    import ml

    for package in (db, ml):  # also what the product imports only when it needs it
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(("ml.evaluation.", "ml.training.")):
                importlib.import_module(module.name)
    from tests.fuzz import seeded
    from tests.fuzz import targets as fuzz_targets

HANGS_S = 30
TARGETS = ("argv", "features", "url", "schema", "model", "difficulty", "timestamps", "feedback")
PLANTED = {
    "argv": ("predict", "parse", "No such option"),
    "features": ("ml.features.vector", "FeatureVector.from_dict", "number"),
    "url": ("db.url", "parse", "control"),
    "schema": ("db.tables.app_schema", "SchemaNames.take", "never closed"),
    "model": ("ml.storage.model_file", "parse", "opcode"),
    "difficulty": ("ml.storage.difficulty_table", "DifficultyTable.facing", "damaged"),
    "timestamps": ("ml.instants", "parse_iso", "not an ISO"),
    "feedback": ("ml.features.vector", "FeatureVector.from_dict", "feature"),
}
"""Per target: the function that, once broken, answers the refusal with this word in it with a bare KeyError."""


def plant(module: str, path: str, word: str) -> None:
    """Break one function of the product in this process."""
    owner: Any = sys.modules[module]
    *classes, name = path.split(".")
    for each in classes:
        owner = getattr(owner, each)
    whole = getattr(owner, name)

    def broken(*given: Any, **named: Any) -> Any:
        try:
            # a class method found on its class is bound already
            return whole(*(given[1:] if hasattr(whole, "__self__") and given and given[0] is owner else given), **named)
        except Exception as refusal:
            if word in str(refusal):
                raise KeyError(word) from refusal
            raise

    setattr(owner, name, staticmethod(broken) if hasattr(whole, "__self__") else broken)


def guarded(try_on: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The target, with a watchdog that needs no signal: predict.py uses SIGALRM itself."""

    def guarded_try(octets: bytes) -> None:
        faulthandler.dump_traceback_later(HANGS_S, exit=True)
        try_on(octets)

    return guarded_try


def write_corpus(directory: str, seeds: Iterable[bytes]) -> None:
    """The seeds as files, which is how libFuzzer takes them."""
    for number, seed in enumerate(seeds):
        with open(os.path.join(directory, f"seed-{number}"), "wb") as file:
            file.write(seed)


def quoted(word: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{octet:02x}" for octet in word[:64]) + '"\n'


@click.command()
@click.argument("target", type=click.Choice(TARGETS))
@click.option("--runs", default=10_000, show_default=True, help="How many inputs; -1 for no end.")
@click.option("--seconds", default=0, help="End after so long.")
@click.option("--seed", default=1, show_default=True, help="libFuzzer's.")
@click.option("--corpus", type=click.Path(file_okay=False), help="Where inputs that reached new code are kept.")
@click.option("--finds", default=".", show_default=True, type=click.Path(exists=True), help="Where a find is written.")
@click.option("--planted", is_flag=True, help="Break the product first.")
def main(target: str, runs: int, seconds: int, seed: int, corpus: str | None, finds: str, planted: bool) -> NoReturn:
    """Fuzz one target; exit 0 when nothing was found."""
    finds, corpus = os.path.join(os.path.abspath(finds), ""), corpus and os.path.abspath(corpus)
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as directory,
        seeded.no_way_out(directory),
        fuzz_targets.targets_in(seeded.Ground(directory)) as targets,
    ):
        kept = corpus or os.path.join(directory, "corpus")
        os.makedirs(kept, exist_ok=True)
        write_corpus(kept, targets[target].seeds)
        words = os.path.join(directory, "tokens")
        with open(words, "w", encoding="ascii") as file:
            file.writelines(quoted(word) for word in targets[target].tokens if word)
        if planted:
            plant(*PLANTED[target])
        options = [f"-runs={runs}", f"-seed={seed}", f"-dict={words}", f"-artifact_prefix={finds}", "-timeout=0"]
        options += [f"-max_total_time={seconds}", "-max_len=16384", "-len_control=0", "-rss_limit_mb=2048", kept]
        atheris.Setup([sys.argv[0], *options], guarded(targets[target].try_on))
        atheris.Fuzz()  # ends the process
    sys.exit(0)


if __name__ == "__main__":
    main()
