"""One reading for a reader that keeps what it read: what is still valid is used again, and the rest is read.

Kept rows are valid under the mark of the snapshot in which they were read (db/reading/marks.py), and in PostgreSQL
under a later one in which their proof is the same (db/reading/proofs.py). Moreover as_of may have moved on only so far
that no row has come into sight, and no plan has come nearer than one that was read.
"""

from __future__ import annotations

from db.reading import proofs, rows, study
from db.reading.decode_rows import RowDecoder
from db.sql.catalogue import with_unknown
from db.sql.instants import LATEST_MS, bounded
from db.sql.templates import Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from db.reading.proofs import Proof
    from db.reading.study import Window
    from db.sql.templates import Conversation, Opened, Results

MOST_TRANSACTIONS = 1 << 31
"""PostgreSQL counts transactions modulo 2^32, so that an xmin comes again some day."""
MOST_WITH_EARLIER = 16
"""The stored predictions of at most this many objectives are kept with a learner's rows; each may be some kilobytes."""
_READ_OF_LEARNER = ("learner", "profile", "masteries", *study.SOURCES)
_READ_OF_OBJECTIVE = ("objective", "prerequisites", "cards")


class Kept:
    """What is kept of a learner or of an objective. It does not change, but for the marks under which it is valid.

    marks: by SQLite's vantage or PostgreSQL's server, the newest mark. seen_at: a moment just before the last snapshot
    with that mark, by time.monotonic's clock. content: where it is known, what tells these rows from others.
    """

    __slots__ = ("columns", "content", "marks", "rows_read", "seen_at")

    def __init__(self, opened: Opened, found: dict[str, Results], names: Iterable[str]) -> None:
        self.columns = opened.columns
        self.marks = dict((opened.mark,)) if opened.mark else {}
        self.seen_at = opened.at
        self.content = _content(found, names) if opened.renderer.dialect.name == "sqlite" else None
        self.rows_read = sum(len(found[name]) for name in names)

    def is_valid(self, opened: Opened) -> bool:
        """Whether it was read, or proven, under the snapshot's mark, and if so, notes that it still is."""
        if (
            opened.mark is None
            or self.marks.get(opened.mark[0], self) != opened.mark[1]
            or not self._is_known_to(opened)
        ):
            return False
        self.seen_at = max(self.seen_at, opened.at)
        return True

    def _is_known_to(self, opened: Opened) -> bool:
        """Whether a session of PostgreSQL existed when this was seen, so that the server has not crashed since."""
        return not isinstance(opened.vantage, float) or opened.vantage <= self.seen_at

    def fits(self, opened: Opened) -> bool:
        """Whether the database still has the tables and columns that were read."""
        return self.columns is opened.columns or list(self.columns) == list(opened.columns)

    def same_as(self, other: Kept) -> bool:
        """Whether both were read from the same rows, so that the marks of either are those of both."""
        return self.content is not None and self.content == other.content and list(self.columns) == list(other.columns)


class KeptObjective(Kept):
    """An objective's rows."""

    __slots__ = ("rows",)

    def __init__(self, opened: Opened, found: dict[str, Results]) -> None:
        super().__init__(opened, found, _READ_OF_OBJECTIVE)
        decode = RowDecoder(opened.renderer.catalogue.mapping)
        self.rows = decode.objective_rows(found["objective"][0], found["prerequisites"], found["cards"])


class KeptLearner(Kept):
    """A learner's rows, valid for every as_of from from_ms to until_ms.

    derived: results that follow from the rows alone, by whoever computed them. earlier: what was stored, by objective;
    a proof of the learner's rows covers them too. proof: None where none was asked for.
    can_be_proven: whether to ask for one. newest_transaction: at the time of the proof.
    """

    __slots__ = ("can_be_proven", "derived", "earlier", "from_ms", "newest_transaction", "proof", "rows", "until_ms")

    def __init__(
        self, opened: Opened, found: dict[str, Results], as_of_ms: int, until_ms: int, past: rows.LearnerRows
    ) -> None:
        super().__init__(opened, found, _READ_OF_LEARNER)
        self.rows, self.from_ms, self.until_ms = past, as_of_ms, until_ms
        self.derived: dict[object, object] = {}
        self.earlier: dict[str, Sequence[rows.EarlierRow]] = {}
        self.proof: Proof | None = None
        self.can_be_proven = opened.renderer.dialect.name == "postgresql"
        self.newest_transaction = 0
        if self.can_be_proven:
            self.newest_transaction = _newest_transaction(opened)

    def covers(self, as_of_ms: int) -> bool:
        """Whether a reading as of as_of sees the same rows."""
        return self.from_ms <= as_of_ms <= self.until_ms

    def has_proof_for(self, opened: Opened) -> bool:
        """Whether its proof can be compared with one of this snapshot."""
        passed = _newest_transaction(opened) - self.newest_transaction if self.proof is not None else 0
        is_comparable = opened.mark is not None and opened.mark[0] in self.marks and 0 <= passed < MOST_TRANSACTIONS
        return self.proof is not None and is_comparable and self._is_known_to(opened)

    def proven(self, opened: Opened) -> None:
        """Notes that the rows are the same in this snapshot, too."""
        self.newest_transaction = _newest_transaction(opened)
        self.marks = dict((opened.mark,)) if opened.mark else {}
        self.seen_at = max(self.seen_at, opened.at)


class Reading:
    """The rows of one reading, with what may be kept of it: None where nothing new was read, or nothing can be kept.

    derived: the learner's results that go with the rows.
    """

    __slots__ = ("derived", "learner", "objective", "rows")

    def __init__(
        self,
        found: rows.StudyRows,
        learner: KeptLearner | None = None,
        objective: KeptObjective | None = None,
        derived: dict[object, object] | None = None,
    ) -> None:
        self.rows = found
        self.learner = learner
        self.objective = objective
        self.derived = {} if derived is None else derived


def reading(
    opened: Opened,
    learner: KeptLearner | None,
    objective: KeptObjective | None,
    ids: tuple[str, str],
    as_of_ms: int | None,
    window: Window,
) -> Conversation[Reading]:
    """Reads as `study.study_rows` does, and returns the same rows. Raises UnknownLearner, UnknownObjective.

    learner, objective: what is kept of them, under the same window. ids: the learner's and the objective's.
    """
    catalogue = opened.renderer.catalogue
    if opened.mark is None or not opened.is_kept or catalogue.filtered:
        return Reading((yield from study.study_rows(opened, *ids, as_of_ms, window)))
    study.check_admitted(catalogue, *ids)
    at_ms = opened.now_ms if as_of_ms is None else as_of_ms
    if learner is not None and not (learner.covers(bounded(at_ms)) and learner.fits(opened)):
        learner = None
    if objective is not None and not (objective.is_valid(opened) and objective.fits(opened)):
        objective = None
    batch = Batch(opened.renderer)
    if objective is None:
        study.ask_for_objective(batch, ids[1], window)
    found: dict[str, Results] = {}
    if learner is None or not learner.is_valid(opened):
        before, learner = learner, None
        if before is not None and before.has_proof_for(opened):
            proofs.ask(batch, ids[0])
            found = yield from batch.ask()
            if proofs.of(found) == before.proof:
                before.proven(opened)
                learner = before
    if learner is None:
        proves = before is not None and before.can_be_proven and not before.proof
        _ask_for_learner(batch, ids[0], at_ms, window, proves)
    earlier = None if learner is None else learner.earlier.get(ids[1])
    if earlier is None:
        study.ask_for_earlier(batch, catalogue, *ids)
    found.update((yield from batch.ask()))
    if learner is None:
        yield from study.check_learner(opened, found, ids[0])
    if objective is None:
        yield from study.check_objective(opened, found, ids[1])
    new_learner, new_objective = None, None
    if objective is None:
        objective = new_objective = KeptObjective(opened, found)
    if learner is None:
        learner = yield from _completed(opened, found, ids[0], at_ms, window)
        new_learner = _with_proof(learner, before, found)
    if earlier is None:
        earlier = RowDecoder(catalogue.mapping).earlier(found["earlier"])
        if len(learner.earlier) >= MOST_WITH_EARLIER:
            learner.earlier.clear()
        learner.earlier[ids[1]] = earlier
    is_now = as_of_ms is None or as_of_ms >= opened.now_ms
    missing, unknown = catalogue.missing_sources, (*learner.rows.unknown_values, *objective.rows.unknown_values)
    missing = with_unknown(missing, unknown) if unknown else missing
    study_rows = rows.StudyRows(at_ms, is_now, learner.rows, objective.rows, missing, earlier)
    return Reading(study_rows, new_learner, new_objective, learner.derived)


def _ask_for_learner(batch: Batch, user_id: str, as_of_ms: int, window: Window, proves: bool) -> None:
    study.ask_for_learner(batch, user_id, as_of_ms, window)
    proofs.ask_following(batch, user_id, bounded(as_of_ms))
    if proves:
        proofs.ask(batch, user_id)


def _completed(
    opened: Opened, found: dict[str, Results], user_id: str, as_of_ms: int, window: Window
) -> Conversation[KeptLearner]:
    """Completes what `_ask_for_learner` found."""
    yield from study.complete(opened.renderer, found, user_id, as_of_ms, window)
    past = RowDecoder(opened.renderer.catalogue.mapping).learner_rows(found, window.outcomes)
    following = proofs.following(found)
    # Where the next rows are too many to look at, the rows are valid for nothing but this moment.
    ends = [bounded(as_of_ms)] if following is None else [LATEST_MS, *following]
    batch = Batch(opened.renderer)
    cut_off = {
        name: sorted(planned.date_ms for planned in plans)
        for name, plans in (("exams", past.exams), ("missions", past.missions))
        if len(found[name]) == study.newest(window, name) and plans
    }
    for name, dates in cut_off.items():
        batch.add(name, proofs.AFTERWARDS[name], learner=user_id, last=dates[-1])
    for name, told in (yield from batch.ask()).items():
        ends.append(_until(cut_off[name], *told[0]))
    return KeptLearner(opened, found, bounded(as_of_ms), min(ends), past)


def _until(dates: list[int], of_last_date: object, next_ms: object) -> int:
    """Until when the plans of these dates are the nearest ones: until the next plan is as near as the first of them."""
    if int(str(of_last_date)) > dates.count(dates[-1]):
        next_ms = dates[-1]
    return LATEST_MS if next_ms is None else (dates[0] + int(str(next_ms)) - 1) // 2


def _with_proof(learner: KeptLearner, before: KeptLearner | None, found: dict[str, Results]) -> KeptLearner:
    """Adds the proof where one was asked for, and what the rows before have in common with these."""
    if f"proof of {_READ_OF_LEARNER[0]}" in found:
        learner.proof = proofs.of(found)
        learner.can_be_proven = learner.proof is not None
    if before is not None:
        learner.can_be_proven = learner.can_be_proven and before.can_be_proven
        if learner.same_as(before) and learner.until_ms == before.until_ms:
            learner.rows, learner.derived = before.rows, before.derived
            learner.from_ms = min(learner.from_ms, before.from_ms)
            learner.marks = {**before.marks, **learner.marks}
    return learner


def _newest_transaction(opened: Opened) -> int:
    """The number, counted on beyond 2^32, of the first transaction that was not yet begun."""
    return int(str(opened.mark[1]).split(":")[1]) if opened.mark is not None else 0


def _content(found: dict[str, Results], names: Iterable[str]) -> bytes:
    """What is the same for the same rows, and tells 1 from 1.0 and from true, which are equal in Python."""
    from hashlib import blake2b
    from marshal import dumps

    return blake2b(dumps([[tuple(row) for row in found[name]] for name in names], 0)).digest()
