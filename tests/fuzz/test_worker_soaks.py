"""Short runs of the worker's soaks on every test run; as commands they do 100,000 requests and 1,000 disturbances."""

from __future__ import annotations

import pytest

from tests.fuzz.disturb_worker import KINDS, Disturbed, disturb, killed
from tests.fuzz.soak_worker import soak

pytestmark = pytest.mark.slow


def test_many_requests_through_one_worker_are_all_right_and_cost_no_memory(demo_database: str) -> None:
    requests, threads = (1000, 1) if demo_database.startswith("file:") else (300, 4)
    found = soak(requests, 2, demo_database, threads)
    assert (found["requests"], found["wrong"], found["faults"]) == (requests, 0, [])


def test_disturbed_workers_settle_every_call_and_leave_nothing_behind(demo_database: str) -> None:
    found = disturb(len(KINDS), 2, demo_database)
    assert found["faults"] == []
    assert all(found[kind.__name__] == 1 for kind in KINDS)


def test_what_a_disturbance_must_not_do_is_noticed(demo_copy: str) -> None:
    ground = Disturbed(demo_copy, 1)
    right, ground.expected = ground.expected, dict.fromkeys(ground.expected, b"{}")
    ground.send(1)
    ground.settle()
    ground.expected = right  # what comes before the kill below is an answer, too
    assert ground.faults.pop().startswith("a wrong answer")
    assert ground.left_behind()
    ground.worker.kill()
    ground.settle_by_end(0)
    assert ground.faults.pop().startswith("ended with -9 instead of 0")
    killed(ground)
    assert (ground.faults, ground.left_behind()) == ([], [])
