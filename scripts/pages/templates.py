"""The one template engine of all pages. Every value is escaped, and an undefined name in a template is an error.

Templates are beside the code that fills them, and are named by their path below scripts/.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ml.instants import iso
from scripts.cli.counted import counted
from scripts.cli.streams import printable

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_BEFORE_A_UNIT = re.compile(r"(?<=\d) (?=%)|(?<=\bn) (?== )|(?<=\bn =) (?=\d)")
_COUNT = re.compile(r"\b\d{4,18}(?= (?:answers|labelled|learners)\b)")
NO_BREAK = "\N{NO-BREAK SPACE}"


def render(template: str, **content: Any) -> str:
    """A page. Raises ModuleNotFoundError where Jinja is not installed."""
    return engine().get_template(template).render(content)


@cache
def engine() -> Environment:
    """The Jinja environment of all pages. Jinja is imported on first use, because most commands write no page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_unbroken,
    )
    environment.filters.update(
        number=number,
        signed=signed,
        with_separators=with_separators,
        percent=percent,
        counted=counted,
        minute=minute,
        day=day,
        printable=printable,
    )
    return environment


def number(value: float | None) -> str:
    """Three decimals, or a dash where there is no value."""
    return "–" if value is None else f"{value:z.3f}".replace("-", "−")  # noqa: RUF001 - typographic dashes


def signed(value: float, decimals: int = 3) -> str:
    """A number with its sign, typographic minus included; 0 has none."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}") if round(value, decimals) else "0"


def with_separators(text: str) -> str:
    """The same text with 220070 answers written as 220,070 answers."""
    return _COUNT.sub(lambda found: f"{int(found[0]):,}", text)


def percent(share: float, decimals: int = 0) -> str:
    """A share as a percentage without a line break: 0.3 becomes 30 %."""
    return f"{share * 100:.{decimals}f}{NO_BREAK}%"


def minute(instant_ms: int) -> str:
    """An instant to the minute, UTC."""
    return iso(instant_ms)[:16].replace("T", NO_BREAK)


def day(instant_ms: int) -> str:
    """The day of an instant, UTC."""
    return iso(instant_ms)[:10]


def _unbroken(value: object) -> object:
    """A text whose numbers stay on one line with their unit. Markup has been through here already."""
    return _BEFORE_A_UNIT.sub(NO_BREAK, value) if type(value) is str else value
