"""One fault of every kind on every test run, and proof that the counting notices what it counts."""

from __future__ import annotations

import pytest

from tests.conftest import need
from tests.fuzz import inject_faults
from tests.fuzz.fault_kinds import KINDS, Trial
from tests.fuzz.seeded import SECRET, Ended
from tests.support.running_predict import LOADED_S

WHOLE = b'{"error": {"code": "usage", "message": ""}}\n'


@pytest.mark.slow
def test_one_fault_of_every_kind_leaves_nothing_to_count() -> None:
    need("postgres")
    found = inject_faults.run(range(7000, 7000 + len(KINDS)), seed=1, margin_s=LOADED_S)
    assert found["injected"] == len(KINDS) == len([name for name, codes in found["endings"].items() if codes])
    assert found["told"] == []
    assert not any(found["faults"].values())


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        (Ended(2, WHOLE, b"Traceback (most recent call last):", "", 0.1), "traceback"),
        (Ended(2, b"", b"", "", 0.1), "invalid JSON"),
        (Ended(2, WHOLE * 2, b"", "", 0.1), "invalid JSON"),
        (Ended(-9, WHOLE[:9], b"", "", 0.1), "invalid JSON"),
        (Ended(78, WHOLE, b"", "", 0.1), "wrong exit code"),
        (Ended(143, b'{"probability": 1}\n', b"", "", 0.1), "invalid JSON"),
        (Ended(2, WHOLE, b"", "", 5.2), "hang"),
        (Ended(2, WHOLE, SECRET.encode(), "", 0.1), "credential shown"),
    ],
)
def test_what_is_wrong_is_counted(ended: Ended, kind: str) -> None:
    trial = Trial("file:x", codes=(2, 143, -9))
    assert kind in {fault.kind for fault in inject_faults.judged(trial, ended, margin_s=1.0)}
    assert inject_faults.judged(trial, Ended(2, WHOLE, b"", "", 4.9), margin_s=1.0) == []


def test_a_process_left_behind_is_seen() -> None:
    trial = Trial("file:/nonexistent", shell="(sleep 5 >/dev/null 2>&1 &)")
    (left,) = inject_faults.run_one(trial)[1]
    assert "sleep" in left
