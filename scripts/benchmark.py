"""Benchmarks, each a command of its own: `python -m scripts.benchmark startup`.

A benchmark's module is imported only when that benchmark is run, because it may need packages that the others do not.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from scripts.cli.command import CONTEXT, Group
from scripts.cli.extras import Extras

COMMANDS = {
    "alerts": "scripts.benchmarks.alerts:alerts",
    "batch": "scripts.benchmarks.batch:batch",
    "coverage": "scripts.benchmarks.coverage:coverage",
    "difficulty": "scripts.benchmarks.difficulty:difficulty",
    "estimates": "scripts.benchmarks.estimates:estimates_command",
    "export": "scripts.benchmarks.exporting:exporting",
    "import": "scripts.benchmarks.importing:importing",
    "monitor": "scripts.benchmarks.monitor:monitor",
    "new-application": "scripts.benchmarks.new_application:new_application",
    "service": "scripts.benchmarks.service:service",
    "promotion": "scripts.benchmarks.promotion:promotion",
    "promotion-year": "scripts.benchmarks.promotion_year:promotion_year",
    "quality": "scripts.benchmarks.quality:quality",
    "scale": "scripts.benchmarks.scale:scale",
    "startup": "scripts.benchmarks.startup:startup",
    "training": "scripts.benchmarks.training:training",
    "upkeep": "scripts.benchmarks.upkeep:upkeep",
    "worker": "scripts.benchmarks.worker:worker",
    "year": "scripts.benchmarks.year:year",
}
"""Command -> module:attribute."""


class LazyGroup(Group):
    """A group whose commands are imported on use."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """The names of all benchmarks, in alphabetical order."""
        return sorted(COMMANDS)

    def invoke(self, context: click.Context) -> object:
        """Runs the command and returns its result; refuses where a package is missing."""
        return Extras().required(super().invoke)(context)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """The command of that name, or None."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(module), attribute)
        return command if isinstance(command, click.Command) else None


@click.group(cls=LazyGroup, context_settings=CONTEXT)
def benchmark() -> None:
    """Measure the predictor: what a prediction costs, and how good it is."""


if __name__ == "__main__":
    benchmark()
