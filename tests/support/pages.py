"""The project's pages, taken apart: fenced blocks, calls of our commands in them, headings and links."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from typing import NamedTuple

from tests.support.tracked import ROOT, tracked

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n+)?(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block. mark: the text of the HTML comment in front of it, "" where there is none."""

    page: str
    mark: str
    language: str
    body: str

    @property
    def first_line(self) -> str:
        """What names the block in lists and test ids."""
        return self.body.partition("\n")[0]


def pages() -> list[str]:
    """The path of every tracked Markdown file."""
    return tracked("*.md")


@cache
def text_of(page: str) -> str:
    """What a page says."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[Block]:
    """The page's fenced blocks in these languages, without their indentation."""
    found = []
    for match in _BLOCK.finditer(text_of(page)):
        if match["language"] in languages:
            body = re.sub(rf"(?m)^{match['indent']}", "", match["body"])
            found.append(Block(page, match["mark"] or "", match["language"], body))
    return found


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    return _BLOCK.sub("", text_of(page))


def sections(page: str) -> dict[str, str]:
    """Heading -> what follows it, up to the next heading of any level."""
    parts = re.split(r"(?m)^#+ (.+)\n", prose(page))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def anchors(page: str) -> set[str]:
    """The fragments by which the page's headings can be linked to, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in sections(page)}


def links(page: str) -> list[tuple[str, str]]:
    """(path, fragment) of every link to another file or heading of the project; path is "" for the page itself."""
    targets = re.findall(r"\]\((?!\w+:)([^)\s]+)\)", prose(page))
    return [(path, fragment) for path, _, fragment in (target.partition("#") for target in targets)]


def our_calls(shell: str) -> list[list[str]]:
    """Every call of predict.py or of a command of ours in a piece of shell, as [file, argument...]."""
    calls = []
    for line in re.sub(r"\\\n", " ", shell).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>()")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not re.fullmatch(r"[&|;<>()]+", word):
                words.append(word)
                continue
            call = our_call(words)
            if call:
                calls.append(call)
            words = []
    return calls


def our_call(words: list[str]) -> list[str] | None:
    """[file, argument...] where the words call a command of ours, else None."""
    for place, word in enumerate(words):
        if word == "-m" and re.match(r"(scripts|tests)\.", "".join(words[place + 1 : place + 2])):
            return [words[place + 1].replace(".", "/") + ".py", *words[place + 2 :]]
        if word == "-m":  # another's module, which may be told the names of our files
            return None
        if re.fullmatch(r"(\S*/)?(predict|scripts/\w+)\.py", word):
            return [re.sub(r"^.*?(predict|scripts/\w+)\.py$", r"\1.py", word), *words[place + 1 :]]
    return None


@cache
def help_of(script: str, subcommand: str = "") -> str:
    """The help text of a command of ours, or of one of its subcommands."""
    module = script.removesuffix(".py").replace("/", ".")
    words = ["-m", module] if "/" in script else [script]
    asked = subprocess.run(
        [sys.executable, *words, *filter(None, [subcommand]), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr
    return asked.stdout


def subcommands(script: str) -> list[str]:
    """The names under "Commands:" in a command's help."""
    listed = help_of(script).partition("Commands:")[2]
    return re.findall(r"(?m)^  (\w[\w-]*) ", listed)


def options_in(text: str) -> set[str]:
    """The long options that a help text lists."""
    return set(re.findall(r"(?m)^  (?:-\w, )?(--[a-z][\w-]*)", text))


def options_of(script: str) -> set[str]:
    """Every long option of a command and of its subcommands."""
    return options_in(help_of(script)).union(*(options_in(help_of(script, each)) for each in subcommands(script)))
