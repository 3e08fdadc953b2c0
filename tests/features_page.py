"""The tables of features in ml/README.md, made from the records in ml/features.

`python -m tests.features_page` writes them into the page, between its two marks. Imports the standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ml.features.feature import Feature
from ml.features.vector import ESTIMATED_FEATURES, PLATFORM_FEATURES

PAGE = Path(__file__).parents[1] / "ml" / "README.md"
BEGIN = "<!-- features: written by `python -m tests.features_page` -->"
END = "<!-- end of features -->"
DIRECTIONS = {+1: "higher risk", -1: "lower risk", 0: "either"}

DIFFERING = """\
## Features

Every feature is a number from 0 to 1. "Direction" says what a higher value means for the risk; "either" leaves it to
training. A feature without data takes its neutral value and is named in `features.defaulted`, and a model
treats it as missing.

### Features whose definition differs from the app's extractor

The platform describes fifteen features in one line each, and the app computes some of the same quantities for its own
pages. Our features have the platform's names, but their numbers differ in places. This table says where and why. What
it says of the app follows from the platform's description and from the app's tables; the app's code was not available.
[features/platform.py](features/platform.py) and [features/context.py](features/context.py) have the definitions.
"""
ESTIMATED = """\
Learners who have switched `behavioralAnalysisEnabled` off have no patterns, events or profile here.

### Estimated features

The other features that a trained model uses are our own and have no counterpart in the app.
[features/estimated.py](features/estimated.py) computes them. The difficulty table holds how other learners did on an
objective; without a table, those features have no data.
"""


def section() -> str:
    """What stands between the two marks."""
    platform = _table(PLATFORM_FEATURES, "source, and what differs")
    return f"{DIFFERING}\n{platform}\n{ESTIMATED}\n{_table(ESTIMATED_FEATURES, 'source')}"


def _table(features: Iterable[Feature], source: str) -> str:
    rows = [
        f"| feature | what it is | unit | direction | range | without data | {source} |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| `{each.name}` | {each.meaning} | {each.unit} | {DIRECTIONS[each.direction]} | {each.ends}"
            f" | {each.neutral:g} | {each.source} |"
            for each in features
        ),
    ]
    return "\n".join(rows) + "\n"


def with_section(page: str) -> str:
    """The page with the tables of today. Raises ValueError where it lacks one of the marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} lacks the line {BEGIN if not begin else END}")
    return f"{before}{BEGIN}\n{section()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
