"""The answer logs of the quality benchmark: three known ones, and any that --log names."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

SETS = {"assistments09": 0.6, "algebra05": 0.6, "lkt_cloze": 0.5}
"""Answer logs, and the share right below which a visit counts as a struggle."""
POSTTESTS = "lkt_cloze"
"""The log of which posttests are compared, not visits."""
ADAPTIVE = {"assistments09"}
"""The logs in which earlier answers decided which card came next."""


class LogSet(NamedTuple):
    """A log that the methods are compared on.

    struggle_below: the share right below which a visit is a struggle, None for the platform's definition. posttests:
    whether posttests are compared, not visits. adaptive: whether earlier answers decided which card came next.
    """

    name: str
    path: str
    struggle_below: float | None
    posttests: bool
    adaptive: bool = False


def known_sets(data: str, names: tuple[str, ...]) -> list[LogSet]:
    """Those of the known logs (none named: of all) that the directory has."""
    found = [
        LogSet(name, os.path.join(data, name, "interactions.csv.gz"), SETS[name], name == POSTTESTS, name in ADAPTIVE)
        for name in names or SETS
    ]
    return [each for each in found if os.path.exists(each.path)]


def own_sets(paths: tuple[str, ...]) -> list[LogSet]:
    """The logs of these files, each under the beginning of its file's name, with a number where two begin alike."""
    found: dict[str, LogSet] = {}
    for path in paths:
        begins = re.sub(r"[^\w-]+", "-", os.path.basename(path).partition(".")[0]) or "log"
        name, nth = begins, 1
        while name in found or name in SETS:
            nth += 1
            name = f"{begins}-{nth}"
        found[name] = LogSet(name, path, None, False)
    return list(found.values())
