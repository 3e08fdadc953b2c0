"""Which model answers: list the versions, look at one, promote one, or go back to the one before.

python scripts/models.py list
python scripts/models.py show struggle_prediction_v1.0_2026-11-23
python scripts/models.py promote struggle_prediction_v1.0_2026-11-23 --why "checked by hand"
python scripts/models.py rollback --why "alerts since Monday"
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

from ml import model_file
from ml.errors import ModelNotFound, ModelRefused
from ml.places import HOUSE
from ml.registry import Registry

MODELS_DIR = os.path.join(HOUSE, "models")
CONFIGURATION = 78


@click.group(help=__doc__.partition("\n\n")[0])
@click.option("--models-dir", default=MODELS_DIR, show_default="models/", metavar="DIR", help="The model directory.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def cli(context: click.Context, models_dir: str, as_json: bool) -> None:
    context.obj = Registry(models_dir), as_json


@cli.command("list")
@click.pass_obj
def list_versions(obj: tuple[Registry, bool]) -> None:
    """All versions, oldest first; a star marks the one that answers."""
    registry, as_json = obj
    current = registry.current()
    rows = [_summary(registry, version, version == current) for version in registry.versions()]
    if as_json:
        click.echo(json.dumps({"current": current, "versions": rows}))
        return
    for row in rows:
        note = row.get("refused") or ", ".join(
            f"{name} {row[name]:.3f}" for name in ("auc", "log_loss", "ece") if name in row
        )
        click.echo(f"{'*' if row['current'] else ' '} {row['version']}  {note}")
    if current is None:
        click.echo("No current.pkl: the shipped pretrained model answers, or the rules where there is none.", err=True)
    elif current not in registry.versions():
        click.echo(f"* {current}  (current.pkl; its version file is gone)")


@cli.command()
@click.argument("version")
@click.pass_obj
def show(obj: tuple[Registry, bool], version: str) -> None:
    """One version's sources, figures and card."""
    registry, as_json = obj
    saved = registry.read(version)
    with open(registry.path(version), "rb") as file:
        checksum = model_file.sha256(file.read())
    found = {
        "version": version,
        "current": registry.current() == version,
        "file_sha256": checksum,
        "sources": list(saved.sources),
        "figures": saved.figures,
        "struggle_below": saved.struggle_below,
        "difficulty": saved.difficulty and saved.difficulty[0],
        "card": registry.card(version),
        "promotions": [entry for entry in registry.promotions() if version in (entry["from"], entry["to"])],
    }
    click.echo(json.dumps(found, indent=None if as_json else 2))


@cli.command()
@click.argument("version")
@click.option("--why", default="promoted by hand", show_default=True, metavar="TEXT", help="Kept in promotions.jsonl.")
@click.pass_obj
def promote(obj: tuple[Registry, bool], version: str, why: str) -> None:
    """Let VERSION answer from now on."""
    registry, as_json = obj
    with registry.locked():
        before = registry.promote(version, _now(), why)
    _say(as_json, {"current": version, "before": before}, f"{version} answers now; before: {before or 'none'}")


@cli.command()
@click.option(
    "--why", default="rolled back by hand", show_default=True, metavar="TEXT", help="Kept in promotions.jsonl."
)
@click.pass_obj
def rollback(obj: tuple[Registry, bool], why: str) -> None:
    """Return to the version that answered before the current one."""
    registry, as_json = obj
    with registry.locked():
        left = registry.current()
        now = registry.rollback(_now(), why)
    _say(as_json, {"current": now, "before": left}, f"{now or 'the shipped model'} answers now; before: {left}")


def _summary(registry: Registry, version: str, current: bool) -> dict[str, object]:
    try:
        saved = registry.read(version)
    except ModelRefused as error:
        return {"version": version, "current": current, "refused": str(error)}
    return {"version": version, "current": current, **saved.figures}


def _say(as_json: bool, found: dict[str, object], sentence: str) -> None:
    click.echo(json.dumps(found) if as_json else sentence)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def main() -> None:
    """The command; errors of the registry are one sentence and exit code 78."""
    try:
        cli()
    except (ModelNotFound, ModelRefused) as error:
        click.echo(f"models: {error}", err=True)
        sys.exit(CONFIGURATION)


if __name__ == "__main__":
    main()
