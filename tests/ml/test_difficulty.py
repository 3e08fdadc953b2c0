"""The difficulty table: what others made of objectives and cards, never what the learner did; exact and checked."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.reading.rows import LearnerRows, ReviewRow, ValidationRow
from ml.errors import ModelRefused
from ml.features.build import features_of_all
from ml.features.vector import ESTIMATED_FEATURES
from ml.storage import difficulty_file, difficulty_table
from ml.storage.difficulty_table import EVERYBODY, DifficultyTable, fold_of, row_checksum
from ml.storage.difficulty_table import OBJECTIVE as COUNTS
from ml.study.difficulty import NO_DIFFICULTY
from ml.study.estimates import LearnerEstimates, difficulty_facing
from ml.study.history import DAY_MS, StudyHistory
from ml.training.difficulty_build import FEWEST_OF_A_CROWD, build_difficulty_table, crowds_of
from tests.support.features import estimated_features
from tests.support.history_builder import AS_OF_MS, OBJECTIVE, answers, card, objective, study, study_rows, validation

OBJECTIVES = ("a", "b", "c")


def learner(name: str, reviews: Sequence[ReviewRow], validations: Sequence[ValidationRow] = ()) -> LearnerRows:
    rows = study_rows(learner=name, reviews=reviews, validations=validations).learner
    assert isinstance(rows, LearnerRows)
    return rows


def table_of(path: Path, learners: Sequence[LearnerRows], cutoff_ms: int = AS_OF_MS) -> DifficultyTable:
    file = os.fspath(path / "table.sqlite3")
    build_difficulty_table(file, learners, cutoff_ms)
    return DifficultyTable.open(file)


LEARNERS = st.lists(
    st.tuples(
        st.integers(0, 400).map(str),
        st.lists(
            st.tuples(st.sampled_from(OBJECTIVES), st.text("AG", min_size=1, max_size=6), st.integers(1, 50)),
            max_size=5,
        ),
    ),
    min_size=2,
    max_size=12,
    unique_by=lambda pair: pair[0],
)


def built(pairs: Sequence[tuple[str, Sequence[tuple[str, str, int]]]]) -> list[LearnerRows]:
    return [
        learner(name, [row for objective, text, days in visits for row in answers(text, days, objective)])
        for name, visits in pairs
    ]


def seen(difficulty: object) -> object:
    return [
        (
            {row_id: [getattr(o, field) for field in o.__slots__] for row_id, o in difficulty.objectives.items()},  # type: ignore[attr-defined]
            {row_id: (r.weights, r.predecessors) for row_id, r in difficulty.relations.items()},  # type: ignore[attr-defined]
            [difficulty.of_card(o, f"{o}/{place}") for o in OBJECTIVES for place in range(6)],  # type: ignore[attr-defined]
            [getattr(difficulty.totals, field) for field in difficulty.totals.__slots__],  # type: ignore[attr-defined]
        )
    ]


@pytest.mark.slow
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(LEARNERS)
def test_deleting_a_learners_own_rows_changes_nothing_of_what_that_learner_sees(
    tmp_path: Path, pairs: list[tuple[str, list[tuple[str, str, int]]]]
) -> None:
    everyone = built(pairs)
    own = pairs[0][0]
    cards = [f"{objective}/{place}" for objective in OBJECTIVES for place in range(6)]
    answers_of = []
    for learners in (everyone, everyone[1:]):
        table = table_of(tmp_path, learners)
        answers_of.append(seen(table.facing(own, OBJECTIVES, cards, OBJECTIVES)))
        table.close()
    assert answers_of[0] == answers_of[1]


def test_others_answers_are_counted_exactly(tmp_path: Path) -> None:
    others = [learner(f"other-{n}", answers("AAGGG", 3) + answers("GAA", 1)) for n in range(20)]
    others = [rows for rows in others if fold_of(rows.learner.id) != fold_of("me")]
    table = table_of(tmp_path, [*others, learner("me", answers("AAAAA"))])
    found = table.facing("me", [OBJECTIVE], [f"{OBJECTIVE}/0"])
    objective = found.objectives[OBJECTIVE]
    count = len(others)
    assert objective.learners == count
    totals_rate = (4 * count + 150 + 3) / (8 * count + 500 + 10)  # shrunk towards 30 % of 500 answers
    assert objective.error_rate == (4 * count + 10 * totals_rate) / (8 * count + 10)
    assert objective.first_struggle_rate > 0.8  # two of five wrong is a struggle
    card_rate = found.card_error_rate(OBJECTIVE, f"{OBJECTIVE}/0")
    assert card_rate == (count + 8 * objective.error_rate) / (2 * count + 8)
    table.close()


def test_with_a_table_every_estimated_feature_has_its_name_and_its_value(tmp_path: Path) -> None:
    others = [
        learner(f"n{n}", answers("GGA" if n % 2 else "AAG", 9, "a") + answers("GGG" if n % 2 else "AAA", 5, OBJECTIVE))
        for n in range(60)
    ]
    failed = learner("prompted", answers("AAG"), [validation(0.1, 0.5)])
    due = card(name=f"{OBJECTIVE}/0")._replace(next_review_at_ms=AS_OF_MS)
    table = table_of(tmp_path, [*others, failed])
    history = study(reviews=answers("GGA", 9, "a") + answers("GGA", 2) + answers("GGA", 1), cards=[due])
    found = estimated_features(history, LearnerEstimates.facing([history], table))
    assert found.keys() == {feature.name for feature in ESTIMATED_FEATURES}
    assert [name for name, value in found.items() if value is None or not 0 <= value <= 1] == []
    table.close()


def test_a_prediction_looks_up_all_that_its_history_touches(tmp_path: Path) -> None:
    other = learner("other", [row for name in (OBJECTIVE, "met", "asked", "never") for row in answers("AGA", 9, name)])
    own = learner("learner", answers("AAA", 3, "met"))
    history = study(
        reviews=answers("AGA", 9, "met") + answers("G", 8, None),
        validations=[validation(0.5, 4, "asked"), validation(0.5, 3, None)],
        cards=[card(name=f"{OBJECTIVE}/2")],
    )
    table = table_of(tmp_path, [other, own])
    found = difficulty_facing(history.past, [history.objective.id], history.cards, table, "GOOD")
    assert found.objectives.keys() == {OBJECTIVE, "met", "asked"}
    assert found.objectives["met"].learners == 1  # the learner's own answers left out
    known = {card_id: found.card_error_rate(None, card_id) for card_id in ("met/0", f"{OBJECTIVE}/2", "never/0")}
    assert {card_id for card_id, rate in known.items() if rate is not None} == {"met/0", f"{OBJECTIVE}/2"}
    assert difficulty_facing(history.past, [history.objective.id], history.cards, None, "GOOD") is NO_DIFFICULTY
    table.close()


def test_estimates_kept_with_the_rows_give_the_features_of_a_replay(tmp_path: Path) -> None:
    """Whatever objective was faced before, at whatever moment, with whatever table and setting."""
    names = (*OBJECTIVES, "met", "other")
    others = [
        learner(f"n{n}", [row for name in names for row in answers("GGA" if n % 2 else "AAG", 9 + n % 3, name)])
        for n in range(40)
    ]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    build_difficulty_table(os.fspath(tmp_path / "hard.sqlite3"), others[:20], AS_OF_MS, correct_from="HARD")
    hard = DifficultyTable.open(os.fspath(tmp_path / "hard.sqlite3"))
    tables = [(table_of(tmp_path / "one", others), "GOOD"), (table_of(tmp_path / "two", others[:9]), "GOOD")]
    mine = {
        "reviews": answers("GHAGA", 9, "a") + answers("AHGA", 2, "met") + answers("GGA", 1, "b"),
        "validations": [validation(0.4, 4, "a"), validation(0.9, 3, "c")],
    }
    of_rows: dict[object, object] = {}
    for later_ms in (0, 1, DAY_MS):
        for table, correct_from in (*tables, (None, "HARD"), (hard, "HARD"), (None, "GOOD"), tables[0]):
            for faced in (*names, "never"):
                cards = [card(name=f"{faced}/{n}")._replace(next_review_at_ms=AS_OF_MS) for n in range(3)]
                rows = study_rows(faced=objective(faced), cards=cards, as_of_ms=AS_OF_MS + later_ms, **mine)
                afresh, kept = (StudyHistory.before(rows, correct_from, each) for each in (None, of_rows))
                assert features_of_all([kept], table)[0].to_dict() == features_of_all([afresh], table)[0].to_dict()
    for table in (hard, *(each for each, _ in tables)):
        table.close()


def test_nothing_of_a_learner_is_kept_where_there_is_no_table() -> None:
    """A service without a table replays one learner after another against the same NO_DIFFICULTY."""
    LearnerEstimates().replay(study(reviews=answers("AGA", 9, "met")).past)
    assert not NO_DIFFICULTY._of_card


def test_what_nobody_else_touched_is_unknown(tmp_path: Path) -> None:
    table = table_of(tmp_path, [learner("me", answers("AAA"))])
    found = table.facing("me", [OBJECTIVE, "never"], [f"{OBJECTIVE}/0"])
    assert found.objectives == {}
    assert found.card_error_rate(OBJECTIVE, f"{OBJECTIVE}/0") is None
    assert found.of_card(OBJECTIVE, f"{OBJECTIVE}/0")[0] == NO_DIFFICULTY.totals.error_logit
    table.close()


def test_nothing_at_or_after_the_cut_off_is_counted(tmp_path: Path) -> None:
    early, late = answers("GGG", 5), answers("AAA", 0)
    assert late[0].reviewed_at_ms == AS_OF_MS
    prompts = [validation(0.0, 0)]
    found = []
    for rows in (learner("other", early), learner("other", early + late, prompts)):
        table = table_of(tmp_path, [rows])
        found.append(table.facing("me", [OBJECTIVE], []).objectives[OBJECTIVE].error_rate)
        table.close()
    assert found[0] == found[1]


def test_learners_out_of_analytics_are_left_out(tmp_path: Path) -> None:
    rows = learner("other", answers("AAA"))
    hidden = rows._replace(learner=rows.learner._replace(include_in_analytics=False))
    table = table_of(tmp_path, [hidden])
    assert table.facing("me", [OBJECTIVE], []).objectives == {}
    table.close()


def test_related_objectives_are_those_whose_results_go_together(tmp_path: Path) -> None:
    learners = []
    for n in range(120):
        text = "GGGG" if n % 2 else "AAAA"
        noise = "GGGG" if n % 3 else "AAAA"
        learners.append(learner(f"n{n}", answers(text, 9, "a") + answers(noise, 8, "b") + answers(text, 7, "c")))
    table = table_of(tmp_path, learners)
    relations = table.facing("me", [], [], ["c", "a"]).relations
    weights = dict(relations["c"].weights)
    assert weights["a"] > 0.7
    assert weights.get("b", 0.0) < 0.2
    assert relations["c"].predecessors[0] == "a"
    assert "a" not in relations  # nothing comes before it
    table.close()


def test_the_same_learners_give_the_same_bytes(tmp_path: Path) -> None:
    learners = built([("1", [("a", "AGG", 3), ("b", "GGA", 2)]), ("2", [("b", "AAA", 3), ("a", "GGG", 2)])])
    contents = []
    for name in ("one", "two"):
        build_difficulty_table(os.fspath(tmp_path / name), learners, AS_OF_MS)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.slow
def test_every_damaged_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    learners = built([(str(n), [("a", "AGG", 3), ("b", "GGA", 2)]) for n in range(5)])
    table_of(tmp_path, learners).close()
    file = tmp_path / "table.sqlite3"
    sound = file.read_bytes()

    def look() -> object:
        table = DifficultyTable.open(os.fspath(file))
        try:
            return seen(table.facing("me", OBJECTIVES, ["a/0"], OBJECTIVES))
        finally:
            table.close()

    expected = look()
    refused = 0
    for place in range(0, len(sound), 61):
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 0x41]) + sound[place + 1 :])
        try:
            found = look()
        except ModelRefused:
            refused += 1
        else:
            # A row whose id is damaged is not found: then it is unknown, never wrong.
            assert found == expected or len(str(found)) < len(str(expected))
    assert refused


@pytest.mark.parametrize("content", [None, b"", b"not a database at all, but long enough to look at"])
def test_no_table_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "table.sqlite3"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelRefused, match="difficulty table"):
        DifficultyTable.open(os.fspath(file))


def test_another_format_is_refused(tmp_path: Path) -> None:
    table_of(tmp_path, []).close()
    connection = sqlite3.connect(tmp_path / "table.sqlite3")
    connection.execute("UPDATE about SET value = 1 WHERE name = 'format'")
    connection.commit()
    connection.close()
    with pytest.raises(ModelRefused, match="another format"):
        DifficultyTable.open(os.fspath(tmp_path / "table.sqlite3"))


def test_opening_writes_nothing_even_under_an_odd_name(tmp_path: Path) -> None:
    odd = tmp_path / "50% of ? and #"
    odd.mkdir()
    table = table_of(odd, [learner("other", answers("AAA"))])
    assert table.facing("me", [OBJECTIVE], []).objectives
    with pytest.raises(sqlite3.OperationalError):
        table._connection.execute("DELETE FROM cards")
    table.close()
    assert os.listdir(odd) == ["table.sqlite3"]


@pytest.mark.slow
def test_what_a_prediction_reads_does_not_grow_with_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    monkeypatch.setattr(difficulty_file, "STEPS_BETWEEN_LOOKS", 50)
    monkeypatch.setattr(difficulty_table, "monotonic", lambda: looks.append(0.0) or 0.0)

    def steps(objectives: int) -> int:
        """Of SQLite's machine, for 100 objectives and their cards in a table of so many."""
        file = os.fspath(tmp_path / f"{objectives}.sqlite3")
        names = (name for n in itertools.count() if fold_of(name := f"n{n}") != fold_of("me"))
        everyone = (
            learner(name, [row for k in range(100) for row in answers("A", 5 - k / 50, f"{(n * 100 + k):06d}")])
            for n, name in zip(range(objectives // 100), names)
        )
        assert build_difficulty_table(file, everyone, AS_OF_MS).objectives == objectives
        asked = [f"{k * (objectives // 100):06d}" for k in range(100)]
        table = DifficultyTable.open(file)
        looks.clear()
        found = table.facing("me", asked, [f"{objective}/0" for objective in asked], asked[:1])
        table.close()
        assert len(found.objectives) == 100
        return 50 * len(looks)

    few, many = steps(200), steps(5_000)
    assert few > 1_000
    assert many < 1.2 * few


def test_the_checksum_covers_id_and_content() -> None:
    assert row_checksum("a", b"x") != row_checksum("b", b"x") != row_checksum("b", b"y")


def fold_counts(path: Path) -> dict[str, dict[int, tuple[int, ...]]]:
    """Of each row of totals and objectives: the counts of each fold, as anybody can read them out of the file."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT id, counts FROM totals UNION ALL SELECT id, counts FROM objectives").fetchall()
    connection.close()
    found = {}
    for row_id, content in rows:
        records = [COUNTS.unpack_from(content, at) for at in range(0, len(content), COUNTS.size)]
        found[row_id] = {fold: counts for fold, *counts in records if fold != EVERYBODY}
    return {row_id: {fold: tuple(counts) for fold, counts in folds.items()} for row_id, folds in found.items()}


def test_of_sixty_learners_nobodys_record_can_be_read_off_a_fold(tmp_path: Path) -> None:
    everyone = [learner(f"learner-{n}", answers("AGG", 5, OBJECTIVES[n % 3]) + answers("G" * 3, 2)) for n in range(60)]
    learners_of = Counter(fold_of(rows.learner.id) for rows in everyone)
    assert 1 in learners_of.values()  # with a fold of its own, a learner's record would be the fold's
    table_of(tmp_path, everyone).close()
    folds = fold_counts(tmp_path / "table.sqlite3")
    crowds = [set(crowd) for crowd in crowds_of(learners_of)]
    assert all(sum(learners_of[fold] for fold in crowd) >= FEWEST_OF_A_CROWD for crowd in crowds)
    assert set().union(*crowds) == learners_of.keys()
    # What is told of one of a crowd's folds is told of all of them.
    assert all(folds[""].keys() >= told.keys() for told in folds.values())
    for told in folds.values():
        for crowd in crowds:
            assert len({told.get(fold) for fold in crowd}) == 1
    connection = sqlite3.connect(tmp_path / "table.sqlite3")
    related = dict[int, set[bytes]]()
    for fold, content in connection.execute("SELECT fold, content FROM relations WHERE id = ?", (OBJECTIVE,)):
        related.setdefault(next((min(c) for c in crowds if fold in c), EVERYBODY), set()).add(content)
    connection.close()
    assert related
    assert all(len(contents) == 1 for contents in related.values())


def test_a_crowd_is_left_out_whole_and_exactly(tmp_path: Path) -> None:
    everyone = [learner(f"learner-{n}", answers("AGG" if n % 2 else "GGG", 5)) for n in range(60)]
    table = table_of(tmp_path, everyone)
    crowds = crowds_of(Counter(fold_of(rows.learner.id) for rows in everyone))
    for rows in everyone[:7]:
        own = next(crowd for crowd in crowds if fold_of(rows.learner.id) in crowd)
        others = [each for each in everyone if fold_of(each.learner.id) not in own]
        (tmp_path / "others").mkdir(exist_ok=True)
        without = table_of(tmp_path / "others", others)
        found = [each.facing(rows.learner.id, [OBJECTIVE], [f"{OBJECTIVE}/0"]) for each in (table, without)]
        assert found[0].objectives[OBJECTIVE].learners == len(others)
        assert len({each.objectives[OBJECTIVE].error_rate for each in found}) == 1
        assert len({each.card_error_rate(OBJECTIVE, f"{OBJECTIVE}/0") for each in found}) == 1
        without.close()
    table.close()


def test_few_learners_have_folds_of_their_own_and_no_learner_none() -> None:
    assert crowds_of({}) == []
    assert crowds_of({3: 1, 1: 2}) == [[1], [3]]
    assert crowds_of({0: 30, 1: 3, 2: 1, 5: 4, 9: 20, 31: 1}) == [[0], [1, 2, 5], [9, 31]]
    assert crowds_of(dict.fromkeys(range(32), 10)) == [[fold] for fold in range(32)]


def test_newcomers_of_any_fold_face_the_same_difficulty(tmp_path: Path) -> None:
    """Of a newcomer, nothing is in the table: leaving out a fold would leave out others, at random."""
    others = [learner(f"n{n}", answers("GGA" if n % 3 else "AAA", 5, OBJECTIVE)) for n in range(40)]
    table = table_of(tmp_path, others)
    new, met = [], []
    for name in ("ada", "berta", "carl"):
        for found, reviews in ((new, []), (met, answers("G", 9, "elsewhere"))):
            history = study(reviews=reviews)
            history.past.learner = history.past.learner._replace(id=name)  # type: ignore[attr-defined]
            found.append(LearnerEstimates.facing([history], table).difficulty.objectives[OBJECTIVE].learners)
    assert new == [40, 40, 40]
    assert max(met) < 40
    early = study(reviews=[])
    early.past.as_of_ms = table.cutoff_ms - 1
    assert LearnerEstimates.facing([early], table).difficulty.objectives[OBJECTIVE].learners < 40
    table.close()
