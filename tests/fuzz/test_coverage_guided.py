"""The coverage-guided fuzzer on every test run, its planted faults, and the inputs that once broke something."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import seeded
from tests.fuzz import targets as fuzz_targets

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FINDS = os.path.join(ROOT, "tests", "fuzz", "finds")
RUNS = {
    "argv": 300,
    "features": 200,
    "url": 4000,
    "schema": 60,
    "model": 800,
    "difficulty": 800,
    "timestamps": 3000,
    "feedback": 3000,
}
"""A second or two of each target; the rest of its test's time is the instrumenting."""

BROKE = {
    "difficulty-empty": "a row without content left as struct.error",
    "difficulty-text": "text in a blob's place left as TypeError",
    "difficulty-parts": "more wrong answers than answers left as ValueError of a logarithm",
    "difficulty-cut": "relations cut short left as JSONDecodeError",
    "difficulty-number": "a number in the place of a list of relations left as TypeError",
    "difficulty-nested": "a list in the place of an objective's id was handed on",
}
"""Files in fuzz_finds/, called target-word, and what each once did."""


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, fuzz_targets.Target]]:
    directory = str(tmp_path_factory.mktemp("fuzz"))
    with (
        seeded.no_way_out(directory),
        fuzz_targets.targets_in(seeded.Ground(directory)) as every,
    ):
        yield every


def fuzz(target: str, finds: os.PathLike[str], *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tests.fuzz.coverage_guided", target, "--finds", os.fspath(finds), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("target", RUNS)
def test_a_short_run_finds_nothing_and_reaches_more_than_the_seeds(target: str, tmp_path: Path) -> None:
    ran = fuzz(target, tmp_path, f"--runs={RUNS[target]}")
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")[-3000:]
    assert b"DONE   cov: " in ran.stderr
    assert b"NEW    cov: " in ran.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("target", ["features", "url", "difficulty"])
def test_a_planted_fault_is_found(target: str, tmp_path: Path) -> None:
    ran = fuzz(target, tmp_path, "--runs=20000", "--planted")
    assert ran.returncode == 77, ran.stderr.decode(errors="replace")[-3000:]
    assert b"KeyError" in ran.stdout + ran.stderr
    assert len(os.listdir(tmp_path)) == 1


def test_every_find_has_its_reason() -> None:
    assert set(os.listdir(FINDS)) == BROKE.keys()


@pytest.mark.parametrize("find", BROKE)
def test_what_once_broke_holds(find: str, targets: dict[str, fuzz_targets.Target]) -> None:
    with open(os.path.join(FINDS, find), "rb") as file:
        targets[find.partition("-")[0]].try_on(file.read())


@pytest.mark.slow
@pytest.mark.parametrize("target", ["argv", "features", "difficulty", "feedback"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data())
def test_any_pieces_of_real_inputs_hold(
    targets: dict[str, fuzz_targets.Target], target: str, data: st.DataObject
) -> None:
    chosen = targets[target]
    seed = data.draw(st.sampled_from(list(chosen.seeds)))
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, len(seed)))
    words = st.sampled_from([*chosen.tokens, b"\0", b"\0--", b"NaN", b"1e999", b"[" * 2000]) | st.binary(max_size=8)
    chosen.try_on(seed[:start] + b"".join(data.draw(st.lists(words, max_size=6))) + seed[end:])
