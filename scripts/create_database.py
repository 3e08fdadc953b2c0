#!/usr/bin/env python3
"""Makes the platform's tables in an empty database: `python -m scripts.create_database [--demo]`.

An app with a schema.prisma of its own has its tables already; this makes the ones that db/schema.prisma describes, for
trying the predictor out, for importing answer logs and for tests. prediction_feedbacks, which the current app lacks, is
made too: it keeps a learner's report beside the outcome that the answers give.
"""

from __future__ import annotations

import os
import sys

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from db.demo import load_demo
from db.tables.ddl import ddl
from db.writing.open import open_writer
from scripts.cli.command import command
from scripts.cli.database_options import database_options
from scripts.cli.exits import Misconfigured


@command({0: "the tables exist"})
@database_options(
    schema=False,
    demo=False,
    needed=lambda options: not options["sql"],
)
@click.option("--demo", is_flag=True, help="Fill the tables with the demo learner's six weeks of study.")
@click.option("--if-not-exists", is_flag=True, help="Do nothing where the tables exist already.")
@click.option("--sql", type=click.Choice(["sqlite", "postgresql"]), help="Only print the statements for this database.")
def create_database(database_url: str | None, demo: bool, if_not_exists: bool, sql: str | None) -> None:
    """Make the platform's tables in an empty database; a SQLite file is created where there is none."""
    if sql:
        click.echo("".join(f"{statement};\n" for statement in ddl(sql)), nl=False)
        return
    with open_writer(database_url, create=True) as writer:
        existing = writer.existing_tables()
        if existing and not if_not_exists:
            found = f"{writer.label} already has the table {existing[0]!r}"
            raise Misconfigured(f"{found}; --if-not-exists accepts that.")
        if not existing:
            writer.create_tables()
            if demo:
                load_demo(writer)
        label = writer.label
    click.echo(f"{label}: {'the tables were there already' if existing else 'tables created'}.")


if __name__ == "__main__":
    create_database()
