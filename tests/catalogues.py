"""The catalogues of messages: gettext's .po files for translators, and the tables that answers are written from.

`python -m tests.catalogues` brings ml/wording/*.po up to date with the messages of the code, writes
ml/wording/compiled/*.py from them, and names what is not translated yet. Babel reads and writes the files and knows
each language's plural forms (CLDR).
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from ml.advice.advise import DID, SAID
from ml.features.vector import FEATURES
from ml.language import GENERAL
from ml.study.degraded import SENTENCES
from ml.wording import learner
from ml.wording.choice import AUDIENCES, LANGUAGES
from scripts.cli import answer_in_words

if TYPE_CHECKING:
    from ml.language import Message

WORDING = Path(__file__).resolve().parent.parent / "ml" / "wording"
LONGEST_LINE = 120
ONLY_FOR_TEACHERS = (
    *("terminal_ids", "terminal_HIGH", "terminal_MEDIUM", "terminal_LOW", "terminal_before", "terminal_change"),
    *("terminal_factors", "terminal_decimal", "terminal_weaker", "terminal_without"),
    *("level_", "because", "although", "no_reason", "no_record", "default", "unread"),
)
"""General messages that a learner never reads."""
_SINCE = datetime(2026, 11, 26, tzinfo=UTC)


def messages_for(audience: str) -> dict[str, Message]:
    """The English messages that a reader may see, by key. Those for a learner are still in the words for a teacher."""
    found: dict[str, Message] = {
        f"{feature.name}.{what}": message for feature in FEATURES for what, message in feature.messages.items()
    }
    found.update((key, message) for key, message in GENERAL.items())
    found.update((f"degraded_{code}", sentence) for code, sentence in SENTENCES.items())
    found.update((f"advice_did_{kind}", did) for kind, did in DID.items())
    found.update((f"advice_said_{basis}", said) for basis, said in SAID.items())
    found.update(answer_in_words.MESSAGES)
    if audience == "learner":
        found = {key: message for key, message in found.items() if not key.startswith(ONLY_FOR_TEACHERS)}
        found.update(learner.MESSAGES)
    return found


def catalogues() -> list[tuple[str, str]]:
    """The languages and readers that have a catalogue: all but English for teachers, which the code holds."""
    return [(code, audience) for code in LANGUAGES for audience in AUDIENCES if (code, audience) != ("en", "teacher")]


def po_of(code: str, audience: str) -> Path:
    """The file that translators edit."""
    return WORDING / f"{code}.{audience}.po"


def table_of(code: str, audience: str) -> Path:
    """The module that answers are written from."""
    return WORDING / "compiled" / f"{code}_{audience}.py"


def translations(po: Path, code: str) -> dict[str, tuple[Message, Message]]:
    """What a file has translated and is not marked as fuzzy: by key, the English message and the translation."""
    if not po.exists():
        return {}
    with po.open("rb") as file:
        read = read_po(file, locale=code)
    return {str(each.context): (each.id, each.string) for each in read if each.context and not each.fuzzy}


def updated(code: str, audience: str, translated: Mapping[str, tuple[Message, Message]]) -> Catalog:
    """The messages of the code, with the translations that there are; fuzzy where the English has changed since."""
    catalog = Catalog(
        code,
        project="struggle-predictor",
        version="1",
        msgid_bugs_address="-",
        creation_date=_SINCE,
        revision_date=_SINCE,
        last_translator="-",
        language_team=code,
        fuzzy=False,
        header_comment=f"# Answers in the language {code} for a {audience}; ml/README.md says how to edit this file.",
    )
    for key, message in messages_for(audience).items():
        meant = message if isinstance(message, str) else message[:2]
        was, said = translated.get(key, (meant, ""))
        if code == "en" and "." not in key and not said:
            said = message  # the general messages are English already
        if not said and not isinstance(meant, str):
            said = ("",) * catalog.num_plurals
        catalog.add(meant, said, context=key)
        catalog.get(meant, key).flags = (
            {"fuzzy"} if _is_whole(said) and was != meant else set()
        )  # never "% i" as a format
    return catalog


def po_text(catalog: Catalog) -> bytes:
    """The catalogue as gettext writes it."""
    written = io.BytesIO()
    write_po(written, catalog, width=LONGEST_LINE)
    text = re.sub(rb'"Generated-By: .*\n', b"", written.getvalue())  # it would differ between versions of Babel
    return text.rstrip(b"\n") + b"\n"


def table_text(code: str, audience: str, catalog: Catalog) -> str:
    """The catalogue as Python's own table."""
    lines = [
        f'"""Messages in the language {code} for a {audience}; `python -m tests.catalogues` wrote it."""',
        "",
        "# ruff: noqa: E501",
        "from __future__ import annotations",
        "",
        f"PLURAL = {_quoted(catalog.plural_expr)}",
        "MESSAGES: dict[str, str | tuple[str, ...]] = {",
    ]
    for each in catalog:
        if each.context and not each.fuzzy and _is_whole(each.string):
            lines.extend(_entry(each.context, each.string))
    return "\n".join([*lines, "}", ""])


def untranslated(catalog: Catalog) -> list[str]:
    """The keys without a translation, or with one of an English message that has changed."""
    return [str(each.context) for each in catalog if each.context and (each.fuzzy or not _is_whole(each.string))]


def _is_whole(said: Message) -> bool:
    return bool(said) and (isinstance(said, str) or all(said))


def _entry(key: str, said: Message) -> Iterator[str]:
    if isinstance(said, str):
        yield f"    {_quoted(key)}: {_quoted(said)},"
        return
    inline = f"    {_quoted(key)}: ({', '.join(map(_quoted, said))}),"
    if len(inline) <= LONGEST_LINE:
        yield inline
        return
    yield f"    {_quoted(key)}: ("
    yield from (f"        {_quoted(form)}," for form in said)
    yield "    ),"


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


def main() -> None:
    """Writes every catalogue and every table."""
    for code, audience in catalogues():
        po = po_of(code, audience)
        catalog = updated(code, audience, translations(po, code))
        po.write_bytes(po_text(catalog))
        table_of(code, audience).write_text(table_text(code, audience, catalog), encoding="utf-8")
        if missing := untranslated(catalog):
            sys.stdout.write(f"{po.name}: not translated: {', '.join(missing)}\n")


if __name__ == "__main__":
    main()
