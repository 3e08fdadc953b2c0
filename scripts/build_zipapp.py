#!/usr/bin/env python3
"""Packs predict.py into one file for places without an installation: serverless functions, a single scp.

The archive contains the inference path, the model and the demo database, and click for the options. It runs with the
standard library alone (`python3 -I predict.pyz USER_ID OBJECTIVE_ID`); for PostgreSQL it also needs psycopg2. Nothing
is unpacked. Equal sources, model, click and Python version give equal bytes.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import json
import marshal
import os
import sys
import zipfile
from collections.abc import Iterator

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

from ml.model import StrugglePredictionModel, load
from ml.places import CURRENT, LEVELS_FILE, MODELS, POINTER
from ml.storage import model_file
from scripts.cli.command import command
from scripts.cli.exits import Misconfigured
from scripts.cli.options import json_option, model_option
from scripts.cli.output_file import OutputPath, write_whole

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHEBANG = b"#!/usr/bin/env python3\n"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold, for every member: a build's own time would make each build another file."""
OF_SCRIPTS = (
    "__init__",
    "cli/__init__",
    "cli/command",
    "cli/database_options",
    "cli/doctor",
    "cli/doctor_costs",
    "cli/exits",
    "cli/human_times",
    "cli/options",
    "cli/output_file",
    "cli/predict_options",
    "cli/request",
    "cli/starting",
    "cli/streams",
    "cli/what_if",
)
NO_PREDICTION = {"__pycache__", "evaluation", "training"}
"""Folders of db and ml that no prediction needs."""


@command({0: "the archive is written"})
@click.option("--output", default="predict.pyz", show_default=True, type=OutputPath(), help="The archive to write.")
@model_option()
@json_option
def build_zipapp(output: str, model: str | None, as_json: bool) -> None:
    """Pack predict.py, a model and the demo database into one file that bare Python runs."""
    judge = load(model)
    members = {
        **code_members(),
        "db/demo.sqlite3": _bytes(os.path.join(ROOT, "db", "demo.sqlite3")),
        **model_members(judge),
    }
    size = write(output, members)
    report = {"file": output, "bytes": size, "members": len(members), "model_version": judge.model_version}
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo(f"{output}: {size / 1024:.0f} KiB with model {judge.model_version}")
        click.echo(f"try it: python3 -I {output} --demo demo-learner action-potentials")


def model_members(model: StrugglePredictionModel) -> dict[str, bytes]:
    """The members of the archive for the model, as current.pkl, and for its difficulty tables; none for the rules."""
    saved = model.saved
    if saved is None:
        return {}
    members = {f"{MODELS}/{CURRENT}": model_file.dump(saved)}
    if model.levels_path is not None:
        members[f"{MODELS}/{LEVELS_FILE}"] = _bytes(model.levels_path)
    tables = model.difficulties
    if tables is not None:
        model.check()
        members.update((f"{MODELS}/{os.path.basename(path)}", _bytes(path)) for path in tables.paths())
        if tables.kept is not None:
            members[f"{MODELS}/{POINTER}"] = tables.kept.content()
    return members


def code_members() -> dict[str, bytes]:
    """Every module of the inference path with its bytecode, so that nothing is compiled at a start, and click."""
    members = dict(_module("__main__", _bytes(os.path.join(ROOT, "predict.py"))))
    for package in ("db", "ml"):
        for folder, folders, names in os.walk(os.path.join(ROOT, package)):
            folders[:] = sorted({*folders} - NO_PREDICTION)
            for name in sorted(name for name in names if name.endswith(".py")):
                path = os.path.join(folder, name)
                members.update(_module(os.path.relpath(path, ROOT)[: -len(".py")], _bytes(path)))
    for name in OF_SCRIPTS:
        members.update(_module(f"scripts/{name}", _bytes(os.path.join(ROOT, "scripts", f"{name}.py"))))
    return {**members, **_click()}


def _click() -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for file in importlib.metadata.files("click") or ():
        name, content = str(file), os.fspath(file.locate())
        if name.startswith("click/") and name.endswith(".py"):
            members.update(_module(name[:-3], _bytes(content)))
        elif "LICENSE" in name:
            members["click/LICENSE.txt"] = _bytes(content)
    return members


def _module(name: str, source: bytes) -> Iterator[tuple[str, bytes]]:
    """Source, for any Python, and bytecode, for this one; zipimport takes the bytecode where its magic number fits."""
    yield f"{name}.py", source
    code = compile(source, f"predict.pyz/{name}.py", "exec", dont_inherit=True)
    unchecked = (1).to_bytes(4, "little")  # PEP 552: a hash, never compared
    # Version 2 of marshal writes no references, which depend on what else the process holds, but the same bytes always.
    yield (
        f"{name}.pyc",
        importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source) + marshal.dumps(code, 2),
    )


def write(output: str, members: dict[str, bytes]) -> int:
    """Writes the archive, whole or not at all, and returns its size in bytes.

    Members are stored, not deflated, because the bytes differ between versions of zlib.
    """
    file = io.BytesIO()
    file.write(SHEBANG)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, members[name])
    content = file.getvalue()
    write_whole(output, content, executable=True)
    return len(content)


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from None


if __name__ == "__main__":
    build_zipapp()
