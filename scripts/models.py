"""Manages which model answers: lists versions, compares two, shows one, promotes one, returns, removes old ones.

python scripts/models.py list
python scripts/models.py compare shipped current
python scripts/models.py show struggle_prediction_v1.0_2026-11-23
python scripts/models.py promote struggle_prediction_v1.0_2026-11-23 --why "checked by hand"
python scripts/models.py rollback --why "alerts since Monday"
python scripts/models.py remove struggle_prediction_v1.0_2026-11-16
python scripts/models.py prune --keep 4
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime, timezone

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

from ml.errors import ModelNotFound, ModelRefused
from ml.places import content_of
from ml.storage import model_file
from ml.storage.contests import Contest
from ml.storage.registry import Registry
from scripts.auditing.audited import audit_log_option, audited, tell_audit_log
from scripts.cli.command import group, note
from scripts.cli.extras import Extras
from scripts.cli.options import json_option, models_dir_option
from scripts.cli.output_file import OutputPath, write_whole
from scripts.cli.streams import in_one_line
from scripts.versions.comparison import compared
from scripts.versions.page import page
from scripts.versions.standing import Standing, named, versions_of
from scripts.versions.words import listed, side_by_side


@group
@models_dir_option
@json_option
@audit_log_option
@click.pass_context
def models(context: click.Context, models_dir: str, as_json: bool) -> None:
    """Manage which model answers: list the versions, compare two, promote one, return to the one before.

    The options come before the command: models.py --models-dir DIR list.
    """
    if not os.path.isdir(models_dir):
        raise ModelNotFound(f"there is no model directory {models_dir}")
    context.obj = Registry(models_dir), as_json


@models.command("list")
@click.pass_obj
def list_versions(obj: tuple[Registry, bool]) -> None:
    """List all versions with their figures, oldest first; a star marks the one that answers."""
    registry, as_json = obj
    current, refused = _current(registry)
    found = list(versions_of(registry, current if refused is None else ""))
    if as_json:
        rows = [each.to_dict() if isinstance(each, Standing) else _refused(*each, current) for each in found]
        ours = [row for row in rows if row["version"] in registry.versions()]
        others = [row for row in rows if row not in ours]
        told = {"current": current, "versions": ours, "shipped": others[0] if others else None}
        click.echo(json.dumps(told | ({"refused": refused} if refused else {})))
        return
    for line in listed(found):
        click.echo(line)
    if refused:
        note(f"{refused}; promote a version or roll back")
    elif current is None:
        note("There is no current.pkl: the shipped pretrained model answers, or the rules where there is none.")
    elif current not in registry.versions():
        click.echo(in_one_line(f"* {current}  (current.pkl; its version file is gone)"))


@models.command()
@Extras().required
@click.argument("first")
@click.argument("second")
@click.option(
    "--html", type=OutputPath(), metavar="FILE.html", help="Write a page with both curves to FILE.html (extra train)."
)
@click.pass_obj
def compare(obj: tuple[Registry, bool], first: str, second: str, html: str | None) -> None:
    """Put two versions beside each other: figures, training, thresholds, and the features that they use differently.

    FIRST and SECOND are versions, `current` for the one that answers, or `shipped` for the one that the project ships.
    """
    registry, as_json = obj
    current, _ = _current(registry)
    found = compared(named(registry, first, current), named(registry, second, current), _contests(registry))
    if html is not None:
        write_whole(html, page(found))
    if as_json:
        click.echo(json.dumps(found.to_dict()))
        return
    for line in side_by_side(found):
        click.echo(line)


@models.command()
@click.argument("version")
@click.pass_obj
def show(obj: tuple[Registry, bool], version: str) -> None:
    """Print the sources, figures and card of VERSION."""
    registry, as_json = obj
    saved = registry.read(version)
    checksum = model_file.sha256(content_of(registry.path(version), model_file.MAX_BYTES))
    found = {
        "version": version,
        "current": _current(registry)[0] == version,
        "file_sha256": checksum,
        "sources": list(saved.sources),
        "figures": saved.figures,
        "struggle_below": saved.struggle_below,
        "difficulty": saved.difficulty and saved.difficulty[0],
        "card": registry.card(version),
        "promotions": _promotions(registry, version),
    }
    click.echo(json.dumps(found, indent=None if as_json else 2))


@models.command()
@click.argument("version")
@click.option(
    "--why",
    default="promoted by hand",
    show_default=True,
    metavar="TEXT",
    help="The reason, which promotions.jsonl keeps.",
)
@audited(settings=("version",), option=False)
@click.pass_obj
def promote(obj: tuple[Registry, bool], version: str, why: str) -> None:
    """Let VERSION answer from now on."""
    registry, as_json = obj
    with registry.locked():
        before = registry.promote(version, _now(), why)
    tell_audit_log(before=before or "none")
    _say(as_json, {"current": version, "before": before}, f"{version} answers now; before: {before or 'none'}")


@models.command()
@click.option(
    "--why",
    default="rolled back by hand",
    show_default=True,
    metavar="TEXT",
    help="The reason, which promotions.jsonl keeps.",
)
@audited(option=False)
@click.pass_obj
def rollback(obj: tuple[Registry, bool], why: str) -> None:
    """Return to the version that answered before the current one."""
    registry, as_json = obj
    with registry.locked():
        left, _ = _current(registry)
        now = registry.rollback(_now(), why)
    tell_audit_log(before=left or "none", current=now or "none")
    _say(as_json, {"current": now, "before": left}, f"{now or 'the shipped model'} answers now; before: {left}")


@models.command()
@click.argument("version")
@audited(settings=("version",), option=False)
@click.pass_obj
def remove(obj: tuple[Registry, bool], version: str) -> None:
    """Remove VERSION for good, with its card and difficulty table. The version that answers is never removed."""
    registry, as_json = obj
    with registry.locked():
        removed = registry.remove(version)
    tell_audit_log(files=len(removed))
    _say(as_json, {"removed": removed}, f"removed: {', '.join(removed)}")


@models.command()
@click.option(
    "--keep", type=click.IntRange(0), required=True, metavar="N", help="How many of the newest versions stay."
)
@audited(settings=("keep",), option=False)
@click.pass_obj
def prune(obj: tuple[Registry, bool], keep: int) -> None:
    """Remove old versions, with their cards and difficulty tables.

    The newest N stay, and always the one that answers and the one before it, which a rollback returns to.
    """
    registry, as_json = obj
    with registry.locked():
        removed = registry.prune(keep)
    tell_audit_log(files=len(removed))
    _say(as_json, {"removed": removed}, f"removed: {', '.join(removed) or 'nothing'}")


def _current(registry: Registry) -> tuple[str | None, str | None]:
    """The version that answers, and why there is none where current.pkl must not be used."""
    try:
        return registry.current(), None
    except ModelRefused as refusal:
        return None, str(refusal)


def _promotions(registry: Registry, version: str) -> list[Mapping[str, str | None]]:
    try:
        entries = registry.promotions()
    except ModelRefused as refusal:
        note(str(refusal))
        return []
    return [entry for entry in entries if version in (entry["from"], entry["to"])]


def _contests(registry: Registry) -> list[Contest]:
    try:
        return registry.contests()
    except ModelRefused as refusal:
        note(str(refusal))
        return []


def _refused(version: str, why: str, current: str | None) -> dict[str, object]:
    return {"version": version, "current": version == current, "refused": why}


def _say(as_json: bool, found: dict[str, object], sentence: str) -> None:
    click.echo(json.dumps(found) if as_json else in_one_line(sentence))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


if __name__ == "__main__":
    models()
