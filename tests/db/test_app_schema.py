"""db.tables.app_schema: the names in an app's schema.prisma, whatever its layout, and nothing hostile survives."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from db.errors import SchemaUnreadable
from db.tables.app_schema import LARGEST_SCHEMA, SchemaNames, read

APP = """
// model Review { id String @id @@map("wrong") }
generator client {
  provider = "prisma-client-js"
}

datasource db {
  provider = "postgresql"
  url      = env("DATABASE_URL")
  schemas  = ["public", "learning"]
}

/// People. { "unbalanced @@map("wrong")
model User {
  id        String   @id @default(cuid())
  createdAt DateTime @default(now()) @map("created_at")
  note      String   @default("}{ @map(\\"wrong\\") // no comment") @map("remark")
  reviews   Review[]
  /* email String @map("wrong")
     @@map("wrong") */
  @@map("people")
  @@schema("learning")
}

model Review {
  id        String @id
  learnerId String @map("person_id")
  learner   User   @relation("reviewer", fields: [learnerId], references: [id], map: "fk_reviews")
  rating    Rating? // @map("wrong")
  reviewedAt DateTime
    @default(now())
    @map(
      name: "reviewed-at"
    )
  tags      String[] @default(["a", "@map(b)"])
  @@unique([learnerId, reviewedAt], map: "wrong", name: "also_wrong")
  @@index([
    learnerId,
    rating(sort: Desc)
  ])
}

enum Rating {
  AGAIN @map("again")
  HARD
  GOOD  @map("good")
  @@map("rating_kind")
}

view Card {
  id String @unique
  courseId String @map("class_id")
  @@map(name: "card_view")
}

type Address { street String @map("wrong") }

model LearningObjective { id String @id }
"""


@pytest.fixture
def schema(tmp_path: Path) -> Callable[[str | bytes], SchemaNames]:
    def read_text(text: str | bytes) -> SchemaNames:
        path = tmp_path / "schema.prisma"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read(str(path))

    return read_text


def assert_app_is_understood(names: SchemaNames) -> None:
    assert names.table("User", "users") == "people"
    assert names.table_schema("User", "users") == "learning"
    assert names.column("User", "users", "createdAt") == "created_at"
    assert names.column("User", "users", "note") == "remark"
    assert names.column("User", "users", "id") == "id"
    assert names.table("Review", "reviews") == "Review"
    assert names.table_schema("Review", "reviews") is None
    assert names.column("Review", "reviews", "reviewedAt") == "reviewed-at"
    assert names.column("Review", "reviews", "tags") == "tags"
    assert names.table("Card", "cards") == "card_view"
    assert names.column("Card", "cards", "courseId") == "class_id"
    assert names.stored_values("Review", "reviews", "rating") == {"again": "AGAIN", "good": "GOOD"}
    assert names.stored_values("User", "users", "note") == {}


def test_names_are_followed_through_comments_strings_and_many_line_attributes(
    schema: Callable[[str | bytes], SchemaNames],
) -> None:
    names = schema(APP)
    assert_app_is_understood(names)
    assert (names.provider, names.url, names.url_variable) == ("postgresql", None, "DATABASE_URL")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(schema: Callable[[str | bytes], SchemaNames]) -> None:
    assert_app_is_understood(schema(b"\xef\xbb\xbf" + APP.replace("\n", "\r\n").encode()))


def test_the_space_between_words_changes_nothing(schema: Callable[[str | bytes], SchemaNames]) -> None:
    assert_app_is_understood(schema(APP.replace("  ", "\t").replace("@map(", "@map ( ")))


def test_a_foreign_key_of_another_name_is_found_through_its_relation(
    schema: Callable[[str | bytes], SchemaNames],
) -> None:
    assert schema(APP).column("Review", "reviews", "userId") == "person_id"


def test_two_relations_to_one_model_leave_its_key_open(schema: Callable[[str | bytes], SchemaNames]) -> None:
    names = schema(
        """model Exam {
          authorId String @map("a")
          author User @relation("x", fields: [authorId], references: [id])
          takerId String @map("b")
          taker User @relation("y", fields: [takerId], references: [id])
        }"""
    )
    assert names.column("Exam", "exams", "userId") == "userId"


def test_a_model_the_app_lacks_keeps_the_platforms_names(schema: Callable[[str | bytes], SchemaNames]) -> None:
    names = schema(APP)
    assert names.table("Mission", "missions") == "missions"
    assert names.column("Mission", "missions", "userId") == "userId"
    assert names.column("User", "users", "performanceTrackingEnabled") == "performanceTrackingEnabled"


def test_an_introspected_model_is_known_by_its_table(schema: Callable[[str | bytes], SchemaNames]) -> None:
    names = schema('model reviews { id String @id\n userId String @map("user_id")\n}')
    assert names.table("Review", "reviews") == "reviews"
    assert names.column("Review", "reviews", "userId") == "user_id"


def test_a_directory_of_files_is_one_schema(tmp_path: Path) -> None:
    blocks = APP.split("\n}\n")
    (tmp_path / "models").mkdir()
    for number, block in enumerate(blocks):
        folder = tmp_path / "models" if number % 2 else tmp_path
        (folder / f"part{number}.prisma").write_text(block + ("\n}\n" if number < len(blocks) - 1 else ""))
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "old.prisma").write_text('model User { id String\n @@map("wrong") }')
    (tmp_path / "notes.txt").write_text("model Nothing {")
    names = read(str(tmp_path))
    assert_app_is_understood(names)
    assert names.directory == str(tmp_path)


def test_the_directory_is_where_the_schema_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schema.prisma").write_text("model A { id String @id }")
    monkeypatch.chdir(tmp_path)
    assert read("schema.prisma").directory == str(tmp_path)


def test_a_literal_url_is_kept_and_no_setting_that_is_no_text(schema: Callable[[str | bytes], SchemaNames]) -> None:
    names = schema('datasource x { provider = ["sqlite"]\n url = "file:./dev.db" }\nmodel A { id Int @id }')
    assert (names.provider, names.url, names.url_variable) == (None, "file:./dev.db", None)
    names = schema('datasource x { provider = "sqlite"\n url = env()\n relationMode = prisma }\nmodel A { id Int @id }')
    assert (names.provider, names.url, names.url_variable) == ("sqlite", None, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no model"),
        ("enum A { X }", "no model"),
        ("model A {", "never closed"),
        ("model A { id String @default(", "never closed"),
        ("/* model A { id String }", "never closed"),
        ('model A { id String @map("x }\n', "never closed"),
        ("model A { model B { } }", "inside a block"),
        ("model A { id String @map(x) }", "without a name"),
        ('model A { id String @map("") }', "without a name"),
        ('model A { id String @map("\\u0000") }', "without a name"),
        ("model A { id Int }\nmodel A { id Int }", "second time"),
        (b"model A { id \xff }", "UTF-8"),
        (b"\xff\xfem\x00o\x00d\x00e\x00l\x00", "UTF-8"),
        ("//" + "x" * LARGEST_SCHEMA, "larger"),
    ],
)
def test_what_is_no_schema_is_refused_in_one_sentence(
    schema: Callable[[str | bytes], SchemaNames], text: str, reason: str
) -> None:
    with pytest.raises(SchemaUnreadable, match=reason) as refusal:
        schema(text)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.prisma")
    for path in (tmp_path / "absent.prisma", tmp_path / "pipe.prisma", tmp_path, "/dev/zero", "a\0b", ""):
        with pytest.raises(SchemaUnreadable):
            read(str(path))


@pytest.mark.slow
def test_a_directory_tree_without_end_is_refused(tmp_path: Path) -> None:
    for number in range(600):
        (tmp_path / f"{number}.prisma").write_text("")
    with pytest.raises(SchemaUnreadable, match="500"):
        read(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "/*",
        '"',
        "@map(",
        "fields: [",
        "model A {",
        "{}",
        "fields:[)",
        '@@map("x")',
        "@",
        "a\n",
        "@a\n",
        "x" * 50,
        " ",
        "\\",
    ],
)
def test_the_largest_hostile_schema_is_read_or_refused(
    schema: Callable[[str | bytes], SchemaNames], piece: str
) -> None:
    text = f"model A {{\n a A {piece * ((LARGEST_SCHEMA - 40) // len(piece.encode()))}\n}}"
    started = time.process_time()
    try:
        schema(text)
    except SchemaUnreadable:
        pass
    assert time.process_time() - started < 60  # a loop over loops takes many minutes


NAMES = "model enum view datasource A B map name fields url env é"
SIGNS = '{ } ( ) [ ] @ @@ : , . ? = "x" " // /* */ \\'
SCHEMA_PIECES = st.sampled_from([*f"{NAMES} {SIGNS}".split(), "\n", " ", '"\\u0000"'])


@pytest.mark.slow
@settings(max_examples=300)
@given(st.one_of(st.text(), st.lists(SCHEMA_PIECES, max_size=40).map(" ".join)))
@example("model A { = = }\ndatasource d { url = \n provider = \n url = env }")
def test_only_schema_unreadable_is_ever_raised(text: str) -> None:
    names = SchemaNames("/")
    try:
        names.take(text)
    except SchemaUnreadable:
        return
    assert all(isinstance(names.column(model, "", "x"), str) for model in names.models)


def test_the_reader_imports_only_what_json_has_imported_already() -> None:
    program = (
        "import __future__, json, sys, db.errors; before = set(sys.modules); import db.tables.app_schema;"
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["db.tables", "db.tables.app_schema", "db.tables.prisma_language"]
