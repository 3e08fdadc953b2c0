"""All known formats, and which one a table has."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.importing.answer_log import OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from scripts.importing.formats.exports import EDNET, MOODLE, PLATFORM, PYKT, XAPI
from scripts.importing.formats.flashcards import ANKI, FSRS
from scripts.importing.formats.format import Format, has
from scripts.importing.formats.tutors import ASSISTMENTS, DATASHOP
from scripts.importing.mapping import Mapping


def _plain(columns: Sequence[str]) -> Mapping:
    names = [name for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if name in columns]
    return Mapping({name: (name,) for name in names}, time_unit="s")


PLAIN = Format("plain", "plain layout", has(*REQUIRED_COLUMNS), _plain)
FORMATS = {each.name: each for each in (PLAIN, ASSISTMENTS, DATASHOP, EDNET, FSRS, ANKI, XAPI, MOODLE, PYKT, PLATFORM)}


def format_of(columns: Sequence[str]) -> Format | None:
    """The format whose columns these are, None where no known one has them."""
    return next((each for each in FORMATS.values() if each.knows(columns)), None)


def is_known(columns: Sequence[str]) -> bool:
    """Whether some known format has these columns."""
    return format_of(columns) is not None
