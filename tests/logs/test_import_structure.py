"""Names, courses and prerequisites from CSV: they reach the answers, once, and what is odd is counted or refused."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import db
from db.tables import ddl as tables
from db.writing.open import open_writer
from ml.places import HOUSE
from ml.study.history import WINDOW
from scripts.import_history import import_history
from scripts.import_structure import import_structure
from scripts.structure.graph import circles
from tests.conftest import need
from tests.fuzz.mutate_logs import mutated
from tests.support.outputs import read_output
from tests.support.study_database import lay_out

TABLES = ("courses", "lectures", "learning_objectives", "objective_prerequisites", "cards")
LOG = "user_id,item_id,timestamp,correct,skill_id\n" + "".join(
    f"ann,i{n},{1_700_000_000 + 60 * n},{int(skill == 'sum')},{skill}\n"
    for skill in ("sum", "product")
    for n in range(4)
)
OBJECTIVES = """objective_id,name,course,lecture,prerequisites
product,Multiply two numbers,Arithmetic,Products,"sum"
sum,Add two numbers,Arithmetic,Sums,
power,Raise to a power,Algebra,,product;sum
"""


def invoke(url: str, *arguments: str | os.PathLike[str], code: int = 0) -> Any:
    argv = [*map(os.fspath, arguments), "--database-url", url, "--json"]
    done = CliRunner().invoke(import_structure, argv)
    assert done.exit_code == code, done.output
    return read_output(done.stdout) if code == 0 else done.stderr


def written(directory: Path, text: str, name: str = "objectives.csv", encoding: str = "utf-8") -> Path:
    path = directory / name
    path.write_bytes(text.encode(encoding))
    return path


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    with open_writer(url) as reader:
        models = {table.name: model for model, table in tables.TABLES.items()}
        return {name: sorted(reader.query(f"SELECT * FROM {reader.table(models[name])}"), key=repr) for name in TABLES}


def kinds(summary: dict[str, Any]) -> dict[str, int]:
    return {each["kind"]: each["number"] for each in summary["warnings"]}


def import_log(url: str, directory: Path) -> None:
    log = written(directory, LOG, "log.csv")
    done = CliRunner().invoke(import_history, [str(log), "--database-url", url])
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_a_real_graph_loads_whole_and_once(database: str) -> None:
    graph = Path(need("STRUGGLE_DATA")) / "junyi_graph" / "exercises.csv"
    summary = invoke(database, graph)
    assert (summary["objectives"], summary["prerequisites"]) == (835, 979)
    assert kinds(summary) == {
        "repeated_objectives": 2,
        "blank_names": 7,
        "damaged_names": 3,
        "repeated_prerequisites": 7,
        "own_prerequisites": 2,
        "circles": 1,
    }
    before = contents(database)
    assert [len(before[name]) for name in TABLES] == [9, 41, 835, 979, 0]
    again = invoke(database, graph)
    assert {number for name, number in again.items() if name.startswith(("new", "changed"))} == {0}
    assert contents(database) == before


@pytest.mark.slow
@pytest.mark.parametrize("structure_first", [False, True])
def test_names_and_prerequisites_reach_the_answers(database: str, tmp_path: Path, structure_first: bool) -> None:
    file = written(tmp_path, OBJECTIVES)
    steps = [lambda: import_log(database, tmp_path), lambda: invoke(database, file)]
    for step in reversed(steps) if structure_first else steps:
        step()
    with db.connect(database) as client:
        rows = client.read("ann", "power", 1_800_000_000_000, WINDOW)
        assert {each.objective_id for each in rows.objective.prerequisites} == {"product", "sum"}
        assert rows.objective.objective.course_name == "Algebra"
        met = client.read("ann", "sum", 1_800_000_000_000, WINDOW)
    assert (met.objective.objective.course_name, met.objective.objective.topic_tags) == ("Arithmetic", ("Sums",))
    assert len(met.objective.cards) == 4
    with open_writer(database) as reader:
        names = dict(reader.select("LearningObjective", ("id", "objective")))
    assert names == {"sum": "Add two numbers", "product": "Multiply two numbers", "power": "Raise to a power"}
    argv = [sys.executable, os.path.join(HOUSE, "predict.py"), "--database-url", database, "ann", "power"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    answer = read_output(ran.stdout)
    assert answer["features"]["prerequisite_gap_count"] > 0
    assert "prerequisite_gap_count" not in answer["features"]["defaulted"]


def test_what_the_app_made_is_kept_unless_it_is_asked_for(database: str, tmp_path: Path) -> None:
    lay_out(database)
    file = written(tmp_path, "objective_id,name,course,prerequisites\nseries,Add up,Elsewhere,limits\n")
    before = contents(database)
    summary = invoke(database, file)
    assert (summary["kept_objectives"], summary["changed_objectives"], summary["new_prerequisites"]) == (1, 0, 1)
    after = contents(database)
    assert {name: after[name] for name in TABLES if after[name] != before[name]}.keys() == {"objective_prerequisites"}
    assert invoke(database, file, "--rename")["changed_objectives"] == 1
    with open_writer(database) as reader:
        rows = reader.select("LearningObjective", ("objective", "lectureId"), "id", ["series"])
    assert rows == [("Add up", "l2")]


def test_new_objectives_fit_into_the_apps_own_tables(app_database: str, tmp_path: Path) -> None:
    with open_writer(app_database) as writer:
        writer.insert("User", ("id",), [("ada",)])
    file = written(tmp_path, OBJECTIVES)
    if app_database.startswith("postgresql"):
        assert "--owner" in invoke(app_database, file, code=78)
        with open_writer(app_database) as reader:
            assert reader.select("Course", ("id",)) == []
    assert invoke(app_database, file, "--owner", "ada")["new_objectives"] == 3
    with open_writer(app_database) as reader:
        assert set(reader.select("Course", ("userId", "name"))) == {("ada", "Arithmetic"), ("ada", "Algebra")}
        assert len(reader.select("ObjectivePrerequisite", ("id",))) == 3
    assert invoke(app_database, file, "--owner", "ada")["new_objectives"] == 0


def test_edges_in_a_file_of_their_own_and_their_strengths(database: str, tmp_path: Path) -> None:
    objectives = written(tmp_path, "objective_id\tname\na\tA\nb\tB\n")
    edges = written(tmp_path, "objective_id;prerequisite_id;strength\na;b;0.5\na;gone;1\nb;b;1\n", "edges.csv")
    summary = invoke(database, objectives, edges)
    assert (summary["objectives"], summary["new_prerequisites"]) == (2, 1)
    assert kinds(summary) == {"own_prerequisites": 1, "unknown_objectives": 1}
    stronger = written(tmp_path, "objective_id;prerequisite_id;strength\na;b;0.75\n", "stronger.csv")
    assert invoke(database, stronger)["changed_prerequisites"] == 1
    with open_writer(database) as reader:
        edge = ("objectiveId", "prerequisiteId", "strength")
        assert reader.select("ObjectivePrerequisite", edge) == [("a", "b", 0.75)]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", (), "line 1: the file has no header"),
        ("skill,\n", (), "line 1: beside the ids there is no column"),
        ("title,course\nx,y\n", (), "--map id=COLUMN"),
        ("id,name\na,A\n,B\n", (), "line 3: the objective's id is empty"),
        ("id,name\na,A\nNaN,B\n", (), "line 3: the objective's id is empty"),
        ("id,name\na,A\na,B\n", (), "line 3: the name of 'a' is 'B', but 'A' in"),
        ("id,name\na,A,1\n", (), "line 2: 3 fields where the header names 2"),
        ('id,name\na,"A\nB"\nb,"B\n', (), "unexpected end of data"),
        ("id,name,name\na,A,B\n", (), "the header names the column name twice"),
        ("id,name,complexity\na,A,HARD\n", (), "line 2: the complexity 'HARD' is not one of BASIC"),
        ("id,prerequisite,strength\na,b,2\n", (), "line 2: the strength is '2'"),
        ("id,name\na,\0\n", (), "line 2: holds a NUL character"),
        ("id,name\na,A\n", ("--map", "name=label"), "the header has no such column"),
        ("id,name\na,A\n", ("--map", "nom=name"), "'nom=name' is not FIELD=COLUMN"),
        ("id,name\na,A\n", ("--encoding", "utf-99"), "'utf-99' is not the name of an encoding"),
        ("id,name,prerequisites\na,A,a\n", ("--strict",), "--strict: 1 objective is its own prerequisite"),
        (f"id,name\n{'a' * 501},A\n", (), "line 2: the objective's id is longer than 500 bytes"),
    ],
)
def test_a_fault_is_told_with_its_line_and_nothing_is_written(
    sqlite_url: str, tmp_path: Path, text: str, options: tuple[str, ...], said: str
) -> None:
    assert said in invoke(sqlite_url, written(tmp_path, text), *options, code=2)
    assert not Path(sqlite_url.removeprefix("file:")).exists() or contents_are_empty(sqlite_url)


def contents_are_empty(url: str) -> bool:
    with open_writer(url) as reader:
        return reader.existing_tables() == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_every_usual_table_is_read_alike(sqlite_url: str, tmp_path: Path, encoding: str, delimiter: str) -> None:
    lines = [("Skill ID", "Übung", "topic", "Requires"), ("a", " Größe ", "T", ""), ("b", "N/A", "", '["a"]')]
    rows = "".join(
        delimiter.join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in each) + "\r\n" for each in lines
    )
    given = ("--encoding", encoding) if encoding == "latin-1" else ()
    summary = invoke(sqlite_url, written(tmp_path, rows, encoding=encoding), "--map", "name=Übung", *given)
    assert (summary["new_objectives"], summary["new_prerequisites"]) == (2, 1)
    with open_writer(sqlite_url) as reader:
        assert set(reader.select("LearningObjective", ("id", "objective"))) == {("a", "Größe"), ("b", "Skill b")}


def test_a_file_that_is_not_utf_8_names_the_line_and_the_option(sqlite_url: str, tmp_path: Path) -> None:
    said = invoke(sqlite_url, written(tmp_path, "id,name\na,A\nb,ß\n", encoding="latin-1"), code=2)
    assert "line 3: is not valid UTF-8; name another with --encoding" in said


def test_a_dry_run_tells_the_same_and_writes_nothing(sqlite_url: str, tmp_path: Path) -> None:
    file = written(tmp_path, OBJECTIVES)
    told = invoke(sqlite_url, file, "--dry-run")
    assert not Path(sqlite_url.removeprefix("file:")).exists()
    real = invoke(sqlite_url, file)
    assert {**told, "dry_run": False, "created_tables": True} == real
    more = written(tmp_path, "id,name,course\nsum,Add two integers,Algebra\n")
    before = contents(sqlite_url)
    assert invoke(sqlite_url, more, "--dry-run")["changed_objectives"] == 1
    assert contents(sqlite_url) == before


def test_people_are_told_what_was_understood(sqlite_url: str, tmp_path: Path) -> None:
    argv = [str(written(tmp_path, OBJECTIVES + "power,,,,power\n")), "--database-url", sqlite_url]
    done = CliRunner().invoke(import_structure, argv)
    assert "4 rows; id from objective_id, name from name" in done.stdout
    assert "3 objectives with 3 prerequisites: 3 new objectives, 3 new prerequisites" in done.stdout
    assert "1 objective is its own prerequisite, such as 'power': left out.\n" in done.stderr


def test_a_chain_longer_than_pythons_stack_holds_its_one_circle() -> None:
    chain = [(str(n), str(n + 1)) for n in range(20_000)]
    assert circles(chain) == []
    assert [len(each) for each in circles([*chain, ("20000", "0")])] == [20_001]


@pytest.mark.slow
def test_mutated_files_are_refused_or_read(tmp_path: Path) -> None:
    """Seeded; whatever becomes of a file, it ends in one of two ways, and a dry run writes nothing."""
    draw = random.Random(20)
    edges = "objective_id;prerequisite_id;strength\na;b;0.5\nb;c;1\n"
    endings = Counter[int]()
    file, url = tmp_path / "mutated.csv", f"file:{tmp_path}/none.sqlite3"
    for nth in range(600):
        file.write_bytes(mutated((OBJECTIVES if nth % 2 else edges).encode(), draw))
        done = CliRunner().invoke(import_structure, [str(file), "--database-url", url, "--dry-run", "--json"])
        assert done.exit_code in (0, 2), (nth, done.output)
        assert done.exit_code == 2 or read_output(done.stdout)["dry_run"]
        endings[done.exit_code] += 1
    assert min(endings.values()) > 50
    assert [path.name for path in tmp_path.iterdir()] == ["mutated.csv"]
