"""A short run of the fuzzer of answer logs: no traceback, no file that takes long, no silent date."""

from __future__ import annotations

import pytest

from scripts.importing import judgement
from tests.fuzz import mutate_logs


@pytest.mark.slow
def test_mutated_logs_are_refused_warned_of_or_read() -> None:
    endings, faults = mutate_logs.run(600, seed=20)
    assert faults == []
    assert endings["refused"] > 100
    assert endings["warned"] > 10
    assert endings["accepted"] > 50


@pytest.mark.slow
def test_the_fuzzer_finds_dates_that_nobody_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "_of_dates", lambda found, order_only: iter(()))
    endings, _ = mutate_logs.run(900, seed=20)
    assert endings["silent dates"] > 0
