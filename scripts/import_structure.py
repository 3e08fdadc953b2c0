"""Names, courses and prerequisites of objectives, from CSV: `python -m scripts.import_structure objectives.csv`.

An answer log knows objectives by their ids alone. This command gives them names and courses, and states which ones must
be mastered before which, so that predictions can speak of both. It adds objectives that no log has met yet.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db import connecting
from db.writing.open import open_writer
from scripts.cli.command import as_record, command, note
from scripts.cli.counted import counted
from scripts.cli.database_options import database_options
from scripts.cli.exits import Usage
from scripts.cli.options import Id, json_option
from scripts.structure.files import FIELDS, StructureFile, read_structure
from scripts.structure.graph import Structure, put_together
from scripts.structure.rows import EMPTY, Plan, planned, read_stored, write


class Options(NamedTuple):
    """The options, whose help explains them."""

    files: tuple[str, ...]
    columns: dict[str, str]
    separator: str | None
    encoding: str | None
    owner: str | None
    rename: bool
    strict: bool
    dry_run: bool
    database_url: str
    schema: str | None
    as_json: bool


def _columns(_context: click.Context, _option: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """What --map says, by field."""
    found: dict[str, str] = {}
    for pair in (pair for text in given for pair in text.split(",")):
        field, mark, column = pair.partition("=")
        if field not in FIELDS or not mark or not column:
            raise click.BadParameter(f"{pair!r} is not FIELD=COLUMN with one of the fields {', '.join(FIELDS)}.")
        if field in found:
            raise click.BadParameter(f"it names the field {field} twice.")
        found[field] = column
    return found


def _known_encoding(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    try:
        if given is not None:
            b" ".decode(given)
    except (LookupError, ValueError):  # not the name of a codec, or not of one for text
        raise click.BadParameter(f"{given!r} is not the name of an encoding.") from None
    return given


@command(
    {0: "the structure is imported, or with --dry-run, could be", 2: "the arguments are invalid, or a row of a file is"}
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False), metavar="FILE...")
@database_options(demo=False)
@click.option(
    "--map",
    "columns",
    multiple=True,
    callback=_columns,
    metavar="FIELD=COLUMN",
    help=f"Which column holds a field, where its name does not say so. Fields: {', '.join(FIELDS)}.",
)
@click.option("--separator", help="What stands between the prerequisites in one cell. Default: any of , ; and |.")
@click.option(
    "--encoding",
    callback=_known_encoding,
    metavar="NAME",
    help="The files' encoding. Default: UTF-8, or UTF-16 where a file begins with its mark.",
)
@click.option("--owner", type=Id(), metavar="USER_ID", help="The user to whom new courses belong. Default: none.")
@click.option("--rename", is_flag=True, help="Also change names and complexities of objectives that the app made.")
@click.option("--strict", is_flag=True, help="Refuse what is otherwise left out or kept with a warning.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@json_option
@as_record(Options)
def import_structure(options: Options) -> None:
    """Import names, courses and prerequisites of objectives from the CSV files FILE.

    A file has one row per objective (objective_id, and any of name, course, lecture, complexity, prerequisites) or one
    row per prerequisite (objective_id, prerequisite_id, and perhaps strength). The header says which columns there are.
    Several files are read as one. Importing them twice changes nothing.
    """
    files = [_read(path, options) for path in options.files]
    creating = not options.dry_run
    if options.dry_run and _is_absent(options.database_url, options.schema):
        structure = put_together(files, ())
        _refuse(structure, options.strict)
        plan, moved, created = planned(structure, EMPTY, options.rename), 0, True
    else:
        with open_writer(options.database_url, schema_path=options.schema, create=creating) as writer:
            created = options.schema is None and not writer.existing_tables()
            if created and creating:
                writer.create_tables()
            stored = EMPTY if created else read_stored(writer)
            structure = put_together(files, stored.objectives)
            _refuse(structure, options.strict)
            plan = planned(structure, stored, options.rename)
            moved = 0 if options.dry_run else write(writer, plan, options.owner)
    summary = _summary(files, structure, plan) | {"moved_cards": moved, "created_tables": created and creating}
    summary["dry_run"] = options.dry_run
    if not options.as_json:
        for warning in structure.warnings:
            note(f"{warning.sentence}.")
        if plan.kept:
            note(f"{_kept(plan.kept)}: --rename changes them.")
    click.echo(json.dumps(summary | {"dry_run": options.dry_run}) if options.as_json else _told(summary))


def _read(path: str, options: Options) -> StructureFile:
    try:
        return read_structure(path, options.columns, options.encoding, options.separator)
    except OSError as error:
        raise Usage(f"{click.format_filename(path)} cannot be read: {error.strerror or error}.") from None


def _is_absent(url: str, schema: str | None) -> bool:
    """Whether the database is a SQLite file that does not exist."""
    where, _ = connecting.located(url, schema)
    return where.path is not None and not os.path.exists(where.path)


def _refuse(structure: Structure, strict: bool) -> None:
    """Raises Usage where --strict does not allow what the files hold."""
    if strict and structure.warnings:
        raise Usage(f"--strict: {'; '.join(warning.sentence for warning in structure.warnings)}.")


def _summary(files: Sequence[StructureFile], structure: Structure, plan: Plan) -> dict[str, object]:
    return {
        "files": [{"file": file.path, "rows": len(file.rows), "columns": dict(file.columns)} for file in files],
        "objectives": len(structure.objectives),
        "prerequisites": len(structure.edges),
        "new_courses": len(plan.courses),
        "new_lectures": len(plan.lectures),
        "new_objectives": len(plan.objectives),
        "changed_objectives": len(plan.changed),
        "kept_objectives": plan.kept,
        "new_prerequisites": len(plan.edges),
        "changed_prerequisites": len(plan.strengths),
        "warnings": [warning._asdict() for warning in structure.warnings],
    }


def _kept(number: int) -> str:
    if number == 1:
        return "1 objective of the app's keeps its name or complexity, which differs from the files'"
    return f"{number:,} objectives of the app's keep their names or complexities, which differ from the files'"


def _told(summary: Mapping[str, object]) -> str:
    def number(name: str, one: str) -> str:
        return counted(int(str(summary[name])), one)

    lines = []
    for file in summary["files"]:  # type: ignore[attr-defined]
        columns = ", ".join(f"{field} from {column}" for field, column in file["columns"].items())
        lines.append(f"{file['file']}: {counted(file['rows'], 'row')}; {columns}.")
    news = [number("new_objectives", "new objective"), number("new_prerequisites", "new prerequisite")]
    news += [number("new_courses", "new course"), number("new_lectures", "new lecture")]
    changes = [number("changed_objectives", "changed objective"), number("changed_prerequisites", "changed strength")]
    lines.append(
        f"{number('objectives', 'objective')} with {number('prerequisites', 'prerequisite')}:"
        f" {', '.join(news + changes[:-1])} and {changes[-1]}."
        + (" The tables were created." if summary["created_tables"] else "")
        + (" Nothing was written." if summary["dry_run"] else "")
    )
    return "\n".join(lines)


if __name__ == "__main__":
    import_structure()
