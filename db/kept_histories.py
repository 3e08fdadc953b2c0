"""Keeps what was read of the learners and objectives asked for last, for processes that answer many requests.

It never changes an answer: kept rows are used only where a proof that was read in the same snapshot says that the
database holds nothing else (db/README.md#kept-histories). Where there can be no such proof, everything is read afresh.
"""

from __future__ import annotations

import _thread
from collections import OrderedDict

from db.client import Client
from db.reading import kept_rows
from db.reading.kept_rows import KeptLearner, KeptObjective

TYPE_CHECKING = False
if TYPE_CHECKING:
    from db.reading import rows
    from db.reading.kept_rows import Kept
    from db.reading.study import Window

MOST_ROWS = 200_000
"""About 40 MB, or some sixty learners whose window of 3,000 answers is full."""
_LEAST_ROWS = 20
"""What an entry without a row is counted as."""


class KeptHistories:
    """The kept rows of one database, for any number of threads and of clients that are connected to it.

    >>> from db import connect
    >>> from ml.study.history import WINDOW
    >>> kept = KeptHistories()
    >>> with connect() as client:
    ...     first, again = (kept.read(client, "demo-learner", "anatomy-skull", None, WINDOW) for _ in range(2))
    >>> first == again, first.learner is again.learner
    (True, True)

    Args:
        most_rows: How many rows are kept; those that were not asked for longest are dropped first.
    """

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most_rows = most_rows
        self._lock = _thread.allocate_lock()
        self._kept: OrderedDict[tuple[object, ...], Kept] = OrderedDict()
        self._rows = 0

    def read(
        self, client: Client, user_id: str, objective_id: str, as_of_ms: int | None, window: Window
    ) -> rows.StudyRows:
        """Returns what client.read would return, and raises what it would raise."""
        return self.read_with_derived(client, user_id, objective_id, as_of_ms, window)[0]

    def read_with_derived(
        self, client: Client, user_id: str, objective_id: str, as_of_ms: int | None, window: Window
    ) -> tuple[rows.StudyRows, dict[object, object]]:
        """Returns what client.read would return, and a dictionary that is kept for as long as the learner's rows.

        The caller may keep in it what follows from those rows alone, whatever the objective and the time. It is shared
        by threads.
        """
        of_learner, of_objective = (user_id, as_of_ms, window), (objective_id, window)
        with self._lock:
            learner, objective = self._kept.get(of_learner), self._kept.get(of_objective)
        ids = user_id, objective_id
        of_both = (
            learner if isinstance(learner, KeptLearner) else None,
            objective if isinstance(objective, KeptObjective) else None,
        )
        found = client.converse(lambda opened: kept_rows.reading(opened, *of_both, ids, as_of_ms, window), marked=True)
        with self._lock:
            self._keep(of_learner, found.learner)
            self._keep(of_objective, found.objective)
            while self._rows > self._most_rows:
                _, oldest = self._kept.popitem(last=False)
                self._rows -= _weight(oldest)
        return found.rows, found.derived

    def _keep(self, key: tuple[object, ...], entry: Kept | None) -> None:
        if entry is not None:
            before = self._kept.pop(key, None)
            self._rows += _weight(entry) - (0 if before is None else _weight(before))
            self._kept[key] = entry
        elif key in self._kept:
            self._kept.move_to_end(key)


def _weight(entry: Kept) -> int:
    return _LEAST_ROWS + entry.rows_read
