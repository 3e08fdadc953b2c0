"""The JSON Schemas (2020-12) of what the commands print for programs.

python -m scripts.schemas answer
"""

from __future__ import annotations

import json
import os
import sys

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

from scripts.cli.command import command
from scripts.outputs.published import BODIES, schema


@command({0: "the schema was printed"})
@click.argument("name", type=click.Choice(list(BODIES)))
def schemas(name: str) -> None:
    """Print the JSON Schema (2020-12) of one kind of output.

    NAME is answer, failure or doctor for predict.py, and batch-line, monitor-report, import-summary, structure-summary,
    export-summary, trial-report, learner-export or retention-summary for predict_batch.py, monitor.py --json,
    import_history.py --json, import_structure.py --json, export_history.py --json, try_log.py --json, export_learner.py
    or retention.py --json. The names that begin with worker are for worker.py's lines. The last part of the schema's
    $id is its version.
    """
    click.echo(json.dumps(schema(name), indent=2))


if __name__ == "__main__":
    schemas()
