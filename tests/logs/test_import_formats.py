"""Every format from a small sample made by hand: recognised without an option, and stored as what it says."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.support.anki_files import CARD_OF_BONES, CARD_OF_CELLS, REVIEWS, T0_MS, collection, package
from tests.support.imports import dry_run, previewed, refused, run_import, stored

SKILL_BUILDER = (
    "order_id,assignment_id,user_id,assistment_id,problem_id,original,correct,attempt_count,ms_first_response,"
    "tutor_mode,answer_type,sequence_id,student_class_id,position,type,base_sequence_id,skill_id,skill_name\n"
)
KDD = (
    "Row\tAnon Student Id\tProblem Hierarchy\tProblem Name\tProblem View\tStep Name\tStep Start Time\t"
    "First Transaction Time\tCorrect Transaction Time\tStep End Time\tStep Duration (sec)\t"
    "Correct Step Duration (sec)\tError Step Duration (sec)\tCorrect First Attempt\tIncorrects\tHints\tCorrects\t"
    "KC(Default)\tOpportunity(Default)\n"
)


def file(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_assistments_in_its_order_with_the_first_of_several_skills(tmp_path: Path) -> None:
    def row(order: int, user: int, problem: int, correct: int, skill: str, name: str, spent: int = 4922) -> str:
        fixed = f"277618,{user},33139,{problem},1,{correct},1,{spent},tutor,algebra,5948,13241,126,MasterySection,5948"
        return f"{order},{fixed},{skill},{name}\n"

    text = SKILL_BUILDER + "".join(
        [
            row(33022709, 64525, 51435, 0, "1", "Box and Whisker"),
            row(33022537, 64525, 51424, 1, "1", "Caf\u00e9", -5),
            row(33022537, 64525, 51424, 1, "2", "Circle Graph", -5),
            row(33022999, 64525, 51499, 1, "", ""),
        ]
    )
    path = file(tmp_path, "skill_builder_data.csv", text.encode("latin-1"))
    summary = dry_run(path)
    assert summary["format"] == "assistments"
    assert summary["order_only"]
    assert summary["left_out"] == {"rows without a skill": 1, "answers that name several skills": 1}
    assert previewed(path) == [
        ("64525", "1", "1/51424", "2000-01-01T00:00:00.000Z", "GOOD", 0),
        ("64525", "1", "1/51435", "2000-01-01T00:10:00.000Z", "AGAIN", 4922),
    ]
    each = previewed(path, "--multi-skill", "each")
    assert [row[1:4] for row in each] == [
        ("1", "1/51424", "2000-01-01T00:00:00.000Z"),
        ("2", "2/51424", "2000-01-01T00:00:00.000Z"),
        ("1", "1/51435", "2000-01-01T00:10:00.000Z"),
    ]


def kdd_row(step: str, at: str, correct: str, skill: str, spent: str = "16") -> str:
    return (
        f"1\t0BrbPbwCMz\tUnit ES_04\tEG4-FIXED\t1\t{step}\t2005-09-09 12:24:35.0\t{at}\t\t\t{spent}\t\t\t{correct}"
        f"\t0\t0\t1\t{skill}\t1\n"
    )


def test_kdd_cup(tmp_path: Path) -> None:
    rows = [
        kdd_row('3(x+2) = "15', "2005-09-09 12:24:49.0", "0", "Eliminate Parens~~Combine"),
        kdd_row("x+2 = 5", "", "1", "Combine", "2.5"),
        kdd_row("x = 3", "2005-09-09 12:25:31.0", "1", ""),
    ]
    path = file(tmp_path, "algebra_2005_2006_train.txt", KDD + "".join(rows))
    assert dry_run(path)["format"] == "datashop"
    assert previewed(path) == [
        ("0BrbPbwCMz", "Combine", "Combine/EG4-FIXED / x+2 = 5", "2005-09-09T12:24:35.000Z", "GOOD", 2500),
        (
            "0BrbPbwCMz",
            "Eliminate Parens",
            'Eliminate Parens/EG4-FIXED / 3(x+2) = "15',
            "2005-09-09T12:24:49.000Z",
            "AGAIN",
            16000,
        ),
    ]


def test_datashop_student_steps_and_transactions_are_the_same_answers(tmp_path: Path) -> None:
    steps = (
        "Row\tSample\tAnon Student Id\tProblem Hierarchy\tProblem Name\tProblem View\tStep Name\tStep Start Time\t"
        "First Transaction Time\tCorrect Transaction Time\tStep End Time\tStep Duration (sec)\tFirst Attempt\t"
        "Incorrects\tHints\tCorrects\tCondition\tKC (Other)\tOpportunity (Other)\tKC (Default)\tOpportunity (Default)\n"
        "1\tAll\tStu_1\tU\tP\t1\tS1\t2010-03-01 09:00:00\t2010-03-01 09:00:00\t\t\t5\thint\t0\t1\t1\t\tz\t1\ta~~b\t1\n"
        "2\tAll\tStu_1\tU\tP\t1\tS2\t2010-03-01 09:01:00\t2010-03-01 09:01:00\t\t\t7\tcorrect\t0\t0\t1\t\tz\t2\ta\t2\n"
    )
    transactions = (
        "Row\tSample Name\tTransaction Id\tAnon Student Id\tSession Id\tTime\tTime Zone\tDuration (sec)\t"
        "Student Response Type\tProblem Name\tProblem View\tStep Name\tAttempt At Step\tOutcome\tSelection\t"
        "KC (Default)\tKC Category (Default)\tKC (Default)\tKC Category (Default)\n"
        "1\tAll\tt1\tStu_1\ts\t2010-03-01 09:00:00\tUTC\t5\tHINT_REQUEST\tP\t1\tS1\t1\tHINT\tx\ta\t\tb\t\n"
        "2\tAll\tt2\tStu_1\ts\t2010-03-01 09:00:30\tUTC\t9\tATTEMPT\tP\t1\tS1\t2\tCORRECT\tx\ta\t\tb\t\n"
        "3\tAll\tt3\tStu_1\ts\t2010-03-01 09:01:00\tUTC\t7\tATTEMPT\tP\t1\tS2\t1\tCORRECT\tx\ta\t\t\t\n"
    )
    one = file(tmp_path, "steps.txt", steps)
    other = file(tmp_path, "transactions.txt", transactions)
    assert dry_run(one)["answers"] == 2
    assert stored(one, tmp_path / "1.db") == stored(other, tmp_path / "2.db")


ANSWERS_OF_EDNET = "timestamp,solving_id,question_id,user_answer,elapsed_time\n"
QUESTIONS = (
    "question_id,bundle_id,explanation_id,correct_answer,part,tags,deployed_at\n"
    "q5012,b1,e1,b,1,1;2;179,1558093217098\nq4706,b2,e2,c,1,74,1558093217098\nq9,b3,e3,a,1,-1,1558093217098\n"
)


def test_ednet_with_its_questions_in_a_directory_a_zip_or_elsewhere(tmp_path: Path) -> None:
    first = ANSWERS_OF_EDNET + "1565096190868,1,q5012,b,38000\n1565096221062,2,q4706,a,24000\n1565096231062,3,q9,a,1\n"
    file(tmp_path, "ednet/KT1/u1.csv", first)
    file(tmp_path, "ednet/KT1/u2.csv", ANSWERS_OF_EDNET + "1565096190868,1,q5012,a,38000\n")
    assert "give its questions.csv with --questions" in refused(tmp_path / "ednet/KT1")
    questions = file(tmp_path, "ednet/contents/questions.csv", QUESTIONS)
    expected = [
        ("u1", "1", "1/q5012", "2019-08-06T12:56:30.868Z", "GOOD", 38000),
        ("u1", "74", "74/q4706", "2019-08-06T12:57:01.062Z", "AGAIN", 24000),
        ("u2", "1", "1/q5012", "2019-08-06T12:56:30.868Z", "AGAIN", 38000),
    ]
    assert previewed(tmp_path / "ednet") == previewed(tmp_path / "ednet/KT1") == expected
    assert previewed(tmp_path / "ednet/KT1/u1.csv", "--questions", str(questions)) == expected[:2]
    with zipfile.ZipFile(tmp_path / "EdNet.zip", "w") as archive:
        for name in ("KT1/u1.csv", "KT1/u2.csv", "contents/questions.csv"):
            archive.write(tmp_path / "ednet" / name, name)
    assert previewed(tmp_path / "EdNet.zip") == expected
    assert dry_run(tmp_path / "EdNet.zip")["left_out"] == {
        "rows without a skill": 1,
        "answers that name several skills": 2,
    }


def test_fsrs_with_times(tmp_path: Path) -> None:
    text = (
        "card_id,review_time,review_rating,review_state,review_duration\n"
        "1,1700000000000,3,0,5000\n1,1700000600000,1,1,2500\n1,1700000700000,0,1,0\n"
    )
    assert previewed(file(tmp_path, "revlog.csv", text), "--learner", "ann") == [
        ("ann", "cards", "cards/1", "2023-11-14T22:13:20.000Z", "GOOD", 5000),
        ("ann", "cards", "cards/1", "2023-11-14T22:23:20.000Z", "AGAIN", 2500),
    ]


@pytest.mark.parametrize("header", ["review_th,card_id,delta_t,rating", "card_id,review_th,delta_t,rating"])
def test_fsrs_with_days_between_reviews(tmp_path: Path, header: str) -> None:
    rows = [(1, 5, -1, 3), (3, 5, 3, 4), (2, 6, -1, 1), (4, 6, 1, 2)]  # sorted by card, as the data set is
    names = ("review_th", "card_id", "delta_t", "rating")
    lines = [",".join(str(row[names.index(name)]) for name in header.split(",")) for row in rows]
    assert previewed(file(tmp_path, "17.csv", "\n".join([header, *lines]) + "\n")) == [
        ("17", "cards", "cards/5", "2000-01-01T00:00:10.000Z", "GOOD", 0),
        ("17", "cards", "cards/6", "2000-01-01T00:00:20.000Z", "AGAIN", 0),
        ("17", "cards", "cards/5", "2000-01-04T00:00:00.000Z", "EASY", 0),
        ("17", "cards", "cards/6", "2000-01-04T00:00:10.000Z", "HARD", 0),
    ]


def test_fsrs_by_day_in_a_partitioned_data_set(tmp_path: Path) -> None:
    for learner, rating in ((1, 3), (2, 4)):
        (tmp_path / f"revlogs/user_id={learner}").mkdir(parents=True)
        rows = [
            {"card_id": 5, "day_offset": day, "rating": rating, "state": 1, "duration": 900, "elapsed_days": -1}
            for day in (0, 0, 3)
        ]
        pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / f"revlogs/user_id={learner}/data.parquet")
    assert previewed(tmp_path / "revlogs")[:4] == [
        ("1", "cards", "cards/5", "2000-01-01T00:00:00.000Z", "GOOD", 900),
        ("1", "cards", "cards/5", "2000-01-01T00:00:10.000Z", "GOOD", 900),
        ("1", "cards", "cards/5", "2000-01-04T00:00:00.000Z", "GOOD", 900),
        ("2", "cards", "cards/5", "2000-01-01T00:00:00.000Z", "EASY", 900),
    ]


OF_ANKI = [
    ("learner", "Biology::Cells", f"Biology::Cells/{CARD_OF_CELLS}", "2023-11-14T22:13:20.000Z", "GOOD", 5000),
    ("learner", "Anatomy", f"Anatomy/{CARD_OF_BONES}", "2023-11-14T22:14:20.000Z", "AGAIN", 2500),
    ("learner", "Anatomy", f"Anatomy/{CARD_OF_BONES}", "2023-11-14T22:16:20.000Z", "HARD", 1200),
]


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("name", ["collection.anki2", "deck.apkg", "collection.colpkg"])
def test_anki_in_both_schemas_and_all_packages(tmp_path: Path, name: str, is_new: bool) -> None:
    path = collection(tmp_path / "collection.anki2", is_new)
    if not name.endswith("anki2"):
        path = package(tmp_path / name, path, is_new)
    before = sorted(each.name for each in tmp_path.iterdir())
    assert dry_run(path)["format"] == "anki"
    assert previewed(path) == OF_ANKI
    by_tag = previewed(path, "--map", "skill_id=tags", "--skill-separator", " ", "--learner", "ann")
    assert [row[:2] for row in by_tag] == [("ann", "cell"), ("ann", "bone"), ("ann", "bone")]
    assert sorted(each.name for each in tmp_path.iterdir()) == before


@pytest.mark.parametrize("is_new", [False, True])
def test_ankis_first_scheduler_had_three_buttons_while_learning(tmp_path: Path, is_new: bool) -> None:
    reviews = tuple(
        (T0_MS + n, CARD_OF_CELLS, ease, 0, kind) for n, (ease, kind) in enumerate([(2, 0), (3, 2), (2, 1)])
    )
    path = collection(tmp_path / "collection.anki2", is_new, reviews, scheduler=1)
    assert [row[4] for row in previewed(path)] == ["GOOD", "EASY", "HARD"]
    assert len(REVIEWS) == 4


def statement(name: str, verb: str, result: dict[str, object] | None, at: str, **more: object) -> dict[str, object]:
    return {
        "id": name,
        "actor": {"objectType": "Agent", "account": {"homePage": "https://x.org", "name": "ann"}},
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}", "display": {"en-US": verb}},
        "object": {"id": f"https://x.org/q/{name}", "definition": {"name": {"en": "Q"}}},
        "context": {"contextActivities": {"parent": [{"id": "https://x.org/quiz"}]}},
        "timestamp": at,
        **({"result": result} if result is not None else {}),
        **more,
    }


def test_xapi_statements_as_a_list_a_result_or_lines(tmp_path: Path) -> None:
    statements = [
        statement("1", "answered", {"success": True, "duration": "PT1M12.5S"}, "2021-03-01T09:15:00.5Z"),
        statement("2", "answered", {"score": {"scaled": 0.6}}, "2021-03-01T10:16:00+01:00"),
        statement("3", "experienced", None, "2021-03-01T09:17:00Z"),
        statement("4", "answered", {"score": {"raw": 1, "min": 0, "max": 10}}, "2021-03-01T09:18:00Z"),
    ]
    card = "https:%2F%2Fx.org%2Fquiz/https://x.org/q/"
    expected = [
        ("ann", "https://x.org/quiz", card + "1", "2021-03-01T09:15:00.500Z", "GOOD", 72500),
        ("ann", "https://x.org/quiz", card + "2", "2021-03-01T09:16:00.000Z", "HARD", 0),
        ("ann", "https://x.org/quiz", card + "4", "2021-03-01T09:18:00.000Z", "AGAIN", 0),
    ]
    texts = (
        json.dumps({"statements": statements, "more": "/xapi?more=1"}),
        json.dumps(statements, indent=2),
        "\n".join(map(json.dumps, statements)),
    )
    for nth, text in enumerate(texts):
        path = file(tmp_path, f"{nth}.json", text)
        assert dry_run(path)["format"] == "xapi"
        assert previewed(path) == expected
    assert dry_run(path)["left_out"] == {"rows without an answer": 1}


def test_moodles_grades_and_responses(tmp_path: Path) -> None:
    grades = (
        '"Last name","First name","Email address",Status,Started,Completed,Duration,"Grade/10.00","Q. 1 /5.00",'
        '"Q. 2 /5.00","Q. 3 /1.00"\n'
        'Doe,Jane,jane@x.org,Finished,"1 March 2021  9:15 AM","1 March 2021  9:45 AM","30 mins",7.50,5.00,2.50,-\n'
        'Roe,Rick,rick@x.org,"In progress","1 March 2021  9:20 AM",-,-,-,-,-,-\n'
        '"Overall average",,,,,,,7.50,5.00,2.50,\n'
    )
    path = file(tmp_path, "BIO-Cells-grades.csv", b"\xef\xbb\xbf" + grades.encode())
    expected = [
        ("jane@x.org", "BIO-Cells", "BIO-Cells/BIO-Cells / 1", "2021-03-01T09:45:00.000Z", "GOOD", 0),
        ("jane@x.org", "BIO-Cells", "BIO-Cells/BIO-Cells / 2", "2021-03-01T09:45:00.000Z", "HARD", 0),
    ]
    assert dry_run(path)["format"] == "moodle"
    assert previewed(path) == expected
    responses = (
        "First name;Surname;Email address;State;Started on;Completed;"
        "Response 1;Right answer 1;Response 2;Right answer 2\n"
        "Jane;Doe;jane@x.org;Finished;2021-03-01 09:15:00;2021-03-01 09:45:00;Berlin;Berlin;True;False\n"
    )
    path = file(tmp_path, "BIO-Cells-responses.csv", responses)
    assert [row[4] for row in previewed(path)] == ["GOOD", "AGAIN"]
    assert previewed(path, "--time-zone", "Europe/Berlin")[0][3] == "2021-03-01T08:45:00.000Z"


def test_pykts_text_and_sequences_are_the_same_answers(tmp_path: Path) -> None:
    text = (
        "1643,3\n1021,853,468\n62_63,52,46\n0,1,1\n1134653959000,1134654402000,1134654462000\n100,200,300\n"
        "7,1\n1021\n62\n1\n1134653959000\n50\n"
    )
    sequences = (
        "fold,uid,questions,concepts,responses,timestamps,usetimes,selectmasks,is_repeat\n"
        '0,1643,"1021,1021,853,-1","62,63,52,-1","0,0,1,-1","1134653959000,1134653959000,1134654402000,-1",'
        '"100,100,200,-1","1,1,1,-1","0,1,0,-1"\n'
        '0,1643,"468,-1","46,-1","1,-1","1134654462000,-1","300,-1","1,-1","0,-1"\n'
        "1,7,1021,62,1,1134653959000,50,1,0\n"
    )
    one, other = file(tmp_path, "data.txt", text), file(tmp_path, "train_valid_sequences.csv", sequences)
    assert dry_run(one)["format"] == dry_run(other)["format"] == "pykt"
    assert dry_run(one)["answers"] == 4
    assert stored(one, tmp_path / "1.db") == stored(other, tmp_path / "2.db")


def test_pykt_without_times_is_an_order(tmp_path: Path) -> None:
    path = file(tmp_path, "data.txt", "u,2\nNA\n5,6\n1,0\nNA\nNA\n")
    assert dry_run(path)["order_only"]
    assert [row[1:4] for row in previewed(path)] == [
        ("5", "5/concept 5", "2000-01-01T00:00:00.000Z"),
        ("6", "6/concept 6", "2000-01-01T00:10:00.000Z"),
    ]


def test_the_platforms_reviews(tmp_path: Path) -> None:
    text = (
        "id,userId,cardId,objectiveId,rating,timeSpentMs,reviewedAt\n"
        "r1,ann,c1,o1,HARD,900,2025-03-01T12:34:56.789+00:00\nr2,ann,c1,o1,EASY,800,2025-03-01 12:36:00\n"
    )
    assert previewed(file(tmp_path, "reviews.csv", text)) == [
        ("ann", "o1", "o1/c1", "2025-03-01T12:34:56.789Z", "HARD", 900),
        ("ann", "o1", "o1/c1", "2025-03-01T12:36:00.000Z", "EASY", 800),
    ]


def test_a_format_that_is_named_must_fit(tmp_path: Path) -> None:
    path = file(tmp_path, "x.csv", "a,b\n1,2\n")
    assert "these are not its columns: a, b" in refused(path, "--format", "ednet")
    said = refused(path)
    assert "lacks user_id" in said
    assert "--map user_id=COLUMN" in said


@pytest.mark.slow
def test_ratings_and_response_times_reach_both_databases(database: str, tmp_path: Path) -> None:
    path = collection(tmp_path / "collection.anki2", True)
    summary, _ = run_import(path, "--database-url", database)
    assert summary["new_answers"] == 3
    from db.writing.open import open_writer

    with open_writer(database) as reader:
        found = sorted(reader.select("Review", ("reviewedAt", "rating", "timeSpentMs")))
    assert [row[1:] for row in found] == [("GOOD", 5000), ("AGAIN", 2500), ("HARD", 1200)]
    assert run_import(path, "--database-url", database)[0]["new_answers"] == 0
