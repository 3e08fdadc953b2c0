"""A small run of the fuzzer on every test run, and the inputs that once broke something."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fuzz import seeded

pytestmark = pytest.mark.slow

BROKE = {924: "--timeout nan", 7026: "--timeout nan"}
"""Numbers of inputs of seed 1, and what was wrong with them."""


@pytest.mark.parametrize(
    "numbers", [sorted(BROKE), range(100_000, 102_000)], ids=["what once broke", "two thousand inputs"]
)
def test_no_input_is_answered_with_a_traceback_bad_json_a_wrong_exit_code_or_a_hang(numbers: Sequence[int]) -> None:
    found = seeded.run(numbers, seed=1)
    assert found["inputs"] == len(numbers)
    assert found["told"] == []
    assert not any(found["faults"].values())


def test_the_fuzzer_reaches_answers_and_refusals_of_every_kind() -> None:
    endings = seeded.run(range(600), seed=3)["endings"]
    assert {"0", "2", "66", "78", "help"} <= endings["argv"].keys()
    for target in ("url", "schema", "model"):
        assert {"0", "78"} <= endings[target].keys()
    assert {"0", "2"} <= endings["features"].keys()
    assert {"0 rows", "1 rows"} <= endings["feedback"].keys()


def test_a_fault_is_noticed() -> None:
    ended = seeded.Ended(0, b'{"probability": NaN}\n', b"", "", 9.0)
    kinds = {fault.kind for fault in seeded.outcome_of(["a", "b"], ended).faults}
    assert kinds == {"hang", "invalid JSON"}
    ended = seeded.Ended(0, b'{"error": {"code": "usage", "message": ""}}\n', b"", "", 0.1)
    assert [fault.kind for fault in seeded.outcome_of(["a", "b"], ended).faults] == ["wrong exit code"]
