"""The Prisma schema language, as far as names go: a text becomes blocks, a block becomes lines of lexemes.

It is tolerant: what it does not know it passes on, because Prisma checks the app's schema, not we. The language:
https://www.prisma.io/docs/orm/reference/prisma-schema-reference
"""

from __future__ import annotations

import json
import re

from db.errors import SchemaUnreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    Line: TypeAlias = list[str]

_LEXEMES = r"""(?P<skip> [^\S\n]+ | \ufeff | //[^\n]* | /\*(?s:.*?)\*/ ) | (?P<newline> \n )
| (?P<text> "(?:[^"\\\n]|\\.)*" ) | (?P<word> \w[\w-]* ) | (?P<unclosed> " | /\* ) | (?P<sign> @@ | . )"""


def blocks(text: str) -> Iterator[tuple[str, str, list[Line]]]:
    """(keyword, name, lines) of each block, such as ("model", "User", [...]). Raises SchemaUnreadable."""
    heading: Line = []
    body: list[Line] | None = None
    for line in _joined(_lines(text)):
        if body is None:
            if line == ["{"]:
                body = []
            else:
                heading = line
        elif line == ["}"]:
            if len(heading) == 2:
                yield heading[0], heading[1], body
            heading, body = [], None
        elif line == ["{"]:
            raise SchemaUnreadable("has a brace inside a block")
        else:
            body.append(line)
    if body is not None:
        raise SchemaUnreadable("has a brace that is never closed")


def argument(line: Sequence[str], sign: str, attribute: str) -> str | None:
    """The text in @attribute("text") or @attribute(name: "text"); sign is "@" or "@@". None without it."""
    for at in range(len(line) - 3):
        if line[at] == sign and line[at + 1] == attribute and line[at + 2] == "(":
            named = list(line[at + 3 : at + 5]) == ["name", ":"] and at + 5 < len(line)
            value = text_of(line[at + 5 if named else at + 3])
            if not value:
                raise SchemaUnreadable(f"has an {sign}{attribute} without a name")
            return value
    return None


def foreign_key(line: Sequence[str]) -> Sequence[str]:
    """The fields of @relation(fields: [a, b]); empty where the other side of the relation holds the key."""
    for at in range(len(line) - 3):
        if list(line[at : at + 3]) == ["fields", ":", "["]:
            end = line.index("]", at) if "]" in line[at:] else at + 3
            return [lexeme for lexeme in line[at + 3 : end] if lexeme != ","]
    return ()


def text_of(lexeme: str) -> str | None:
    """The text that a quoted lexeme stands for, None for any other lexeme."""
    try:
        text = json.loads(lexeme)
    except ValueError:
        return None
    return text if isinstance(text, str) and "\0" not in text else None


def _lines(text: str) -> Iterator[Line]:
    """A line goes on while a parenthesis or bracket is open; braces stand alone."""
    line: Line = []
    depth = 0
    for match in re.finditer(_LEXEMES, text.replace("\r\n", "\n").replace("\r", "\n"), re.VERBOSE):
        kind, lexeme = match.lastgroup, match.group()
        if kind == "skip":
            continue
        if kind == "unclosed":
            raise SchemaUnreadable("has a quotation mark or comment that is never closed")
        if kind == "newline" or (depth == 0 and lexeme in "{}"):
            if depth == 0:
                if line:
                    yield line
                if kind != "newline":
                    yield [lexeme]
                line = []
            continue
        depth = max(0, depth + (lexeme in "([") - (lexeme in ")]"))
        line.append(lexeme)
    if line:
        yield line
    if depth:
        raise SchemaUnreadable("has a parenthesis that is never closed")


def _joined(lines: Iterator[Line]) -> Iterator[Line]:
    """Lines with those that begin with a field's attribute joined to the field above them."""
    held: Line = []
    for line in lines:
        if line[0] == "@" and held and held[0] not in "{}":
            held += line
            continue
        if held:
            yield held
        held = line
    if held:
        yield held
