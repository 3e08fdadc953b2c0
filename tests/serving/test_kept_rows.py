"""The service and the worker keep rows between requests, and still answer what the command answers after any edit."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.service_process import PAIR, printed, serving
from tests.support.study_database import execute
from tests.support.worker_process import Worker

LEARNER, OBJECTIVE = PAIR["user_id"], PAIR["objective_id"]
OF_LEARNER = f"\"userId\" = '{LEARNER}'"
EDITS = {
    "re-rated": f"UPDATE reviews SET rating = 'AGAIN' WHERE {OF_LEARNER} AND rating = 'GOOD'",
    "deleted": f"DELETE FROM reviews WHERE {OF_LEARNER} AND \"cardId\" LIKE '%skull%'",
    "back-dated": 'UPDATE reviews SET "reviewedAt" = (SELECT min("reviewedAt") FROM reviews)'
    f" WHERE {OF_LEARNER} AND \"cardId\" LIKE '%cardiac%'",
    "added": 'INSERT INTO behavioral_events SELECT \'new-event\', "userId", "eventType", timestamp, 1,'
    ' "engagementLevel", "contentType" FROM behavioral_events WHERE id = (SELECT min(id) FROM behavioral_events)',
    "edited": f"UPDATE exams SET \"courseId\" = 'anatomy' WHERE {OF_LEARNER}",
    "another's": "UPDATE learning_objectives SET complexity = 'BASIC' WHERE id = 'action-potentials'",
    "of nobody": "DELETE FROM objective_prerequisites",
    "of the learner": f"UPDATE users SET \"performanceTrackingEnabled\" = false WHERE id = '{LEARNER}'",
    "time alone": "UPDATE demo_clock SET now = now + 1000000000",
}


@pytest.mark.slow
def test_an_edit_between_two_requests_changes_the_answer_as_it_changes_the_commands(
    demo_database: str, tmp_path: Path
) -> None:
    with (
        serving(tmp_path / "log", DATABASE_URL=demo_database) as base,
        httpx.Client(base_url=base) as caller,
        Worker(url=demo_database) as worker,
    ):
        answers = []
        for name, statement in {"": "UPDATE users SET name = 'new'", **EDITS}.items():
            execute(demo_database, statement)
            expected = printed(LEARNER, OBJECTIVE, DATABASE_URL=demo_database)
            for _ in range(3):
                assert caller.post("/predict", json=PAIR).content == expected, name
                assert worker.answered(LEARNER, OBJECTIVE) == expected.strip(), name
            answers.append(expected)
        assert worker.ended()[0] == 0
        assert len(set(answers)) > len(EDITS) - 2
