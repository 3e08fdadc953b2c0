"""--model and --models-dir: the same options, with the same defaults, of every command that reads or makes models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ml.places import models_directory

Command = Callable[..., Any]


def model_option(rules: bool = True) -> Callable[[Command], Command]:
    """--model; ml.model.load reads what it names, and knows the default. rules: whether the rules can be asked for."""
    last = ", else rules" if rules else ""
    return click.option(
        "--model",
        metavar="PATH|rules" if rules else "PATH",
        help=f"Default: $STRUGGLE_MODEL, else current.pkl of the models' directory, else pretrained.pkl{last}.",
    )


def _not_empty(_context: click.Context, _option: click.Parameter, directory: str) -> str:
    """What `--models-dir "$UNSET"` comes to would else be the working directory."""
    if not directory.strip():
        raise click.BadParameter("it is empty: name a directory, or leave it out.")
    return directory


def models_dir_option(command: Command) -> Command:
    """--models-dir, by default the directory that predict.py reads."""
    return click.option(
        "--models-dir",
        default=models_directory,
        metavar="DIR",
        callback=_not_empty,
        help="Where models are kept. Default: $STRUGGLE_MODELS_DIR, else models/ beside predict.py.",
    )(command)
