"""A model as one page: its shape functions and reliability diagram, `python scripts/explain_model.py --out model.html`.

The page is self-contained (inline SVG, no script, no other file). The reliability diagram is the card's, that is, of
learners whom the model was not fitted on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

from ml.errors import PredictorError
from ml.features.vector import FEATURES
from ml.model import StrugglePredictionModel, load
from ml.scoring.scorecard import Table
from ml.study.correctness import IN_WORDS
from scripts.cli.exits import CONFIGURATION, Refused
from scripts.cli.model_card import SHOWN, card_of, measured, short
from scripts.cli.model_options import model_option
from scripts.cli.output_file import OutputPath, write_whole

WIDTH, HEIGHT, MARGIN = 280, 150, 26
DIAGRAM = 340
GRID = 101
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing runs and nothing is loaded, should anything on the page ever ask for it."""

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1d2733;background:#fff;max-width:1200px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}.quiet{color:#5b6875}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:1rem}
figure{margin:0;padding:.7rem;border:1px solid #dde3ea;border-radius:8px}figcaption b{display:block}
figcaption span{color:#5b6875;font-size:.85rem}.stated{background:#fff8e8}
.tag{font-size:.75rem;background:#e6b34d;color:#3b2a00;border-radius:4px;padding:0 .4em;margin-left:.4em}
svg{display:block;width:100%;height:auto}svg text{font:10px system-ui,sans-serif;fill:#5b6875}
table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;font-variant-numeric:tabular-nums}
"""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@model_option(rules=False)
@click.option(
    "--card", "card_path", type=click.Path(exists=True), metavar="FILE.json", help="Default: beside the model."
)
@click.option("--out", required=True, type=OutputPath(), metavar="FILE.html")
def explain_model(model: str | None, card_path: str | None, out: str) -> None:
    """Draw what a model says of each feature, and how far its probabilities could be taken at their word.

    \b
    Exit codes:
      0    the page was written
      2    the arguments
      74   a file cannot be written
      78   there is no trained model, or it must not be used
    """
    try:
        judge = load(model)
    except PredictorError as error:
        raise Refused(str(error), CONFIGURATION) from None
    if judge.saved is None:
        raise Refused("the rules answer: there is no trained model to draw", CONFIGURATION)
    directory = os.path.dirname(judge.path or "")
    found = card_of(card_path or os.path.join(directory, _card_name(judge.saved.model_version)))
    write_whole(out, page(judge, found))
    click.echo(out)


def _card_name(model_version: str) -> str:
    """The card's bare name beside the model; a version is a text from a file, and may look like a path."""
    name = "pretrained" if model_version.startswith("pretrained") else os.path.basename(model_version)
    return name + ".json"


def page(model: StrugglePredictionModel, card: Mapping[str, Any]) -> str:
    """The whole page as HTML."""
    saved = model.saved
    if saved is None:
        raise ValueError("the rules have no tables")
    slope = saved.scorecard.calibration[0]
    drawn = [
        (feature, table, reach_of(table, slope))
        for feature, table in zip(FEATURES, saved.scorecard.tables)
        if reach_of(table, slope) > 1e-3
    ]
    drawn.sort(key=lambda each: -each[2])
    scale = max((reach for _, _, reach in drawn), default=1.0)
    shapes = "\n".join(_shape(feature.name, feature.meaning, table, slope, scale) for feature, table, _ in drawn)
    silent = [feature.name for feature in FEATURES if feature.name not in {f.name for f, _, _ in drawn}]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(model.model_version)}</title><style>{STYLE}</style></head>
<body>
<h1>{escape(model.model_version)}</h1>
<p class="quiet">{escape(short("; ".join(saved.sources)))}</p>
<p class="quiet">{escape(IN_WORDS[saved.correct_from])}</p>
{_reliability(card)}
<h2>Shape functions</h2>
<p class="quiet">What each feature adds to the logit of struggling: above the line it raises the risk, below it lowers
it. The dot at the left is what its absence adds. All share one scale; the strongest come first.</p>
<div class="grid">
{shapes}
</div>
<p class="quiet">Without any part in this model: {escape(", ".join(silent) or "none")}.</p>
</body></html>
"""


def reach_of(table: Table, slope: float) -> float:
    """How far the table moves the logit at most, either way."""
    values = [table.at(step / (GRID - 1)) for step in range(GRID)] + [table.missing]
    return slope * max(abs(value) for value in values)


def _shape(name: str, meaning: str, table: Table, slope: float, scale: float) -> str:
    def across(x: float) -> float:
        return MARGIN + 14 + x * (WIDTH - MARGIN - 22)

    def down(logit: float) -> float:
        return HEIGHT / 2 - logit / scale * (HEIGHT / 2 - 12)

    points = [(x, slope * table.at(x)) for x in _stops(table)]
    line = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
    zero, absent = down(0), slope * table.missing
    tag = '<span class="tag">stated</span>' if table.stated else ""
    return f"""<figure class="{"stated" if table.stated else "learned"}">
<svg viewBox="0 0 {WIDTH} {HEIGHT + 12}" role="img" aria-label="{escape(name)}">
<line x1="{MARGIN}" x2="{WIDTH - 8}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="#c3ccd6"/>
<text x="0" y="{down(scale) + 4:.1f}">+{scale:.1f}</text><text x="0" y="{zero + 3:.1f}">0</text>
<text x="0" y="{down(-scale) + 4:.1f}">-{scale:.1f}</text>
<text x="{across(0):.1f}" y="{HEIGHT + 9}">0</text><text x="{across(1) - 5:.1f}" y="{HEIGHT + 9}">1</text>
<circle cx="{MARGIN + 4}" cy="{down(absent):.1f}" r="3" fill="#7a8794"><title>no data: {absent:+.2f}</title></circle>
<polyline points="{line}" fill="none" stroke="#1f5fa8" stroke-width="2"/>
</svg><figcaption><b>{escape(name.replace("_", " "))}{tag}</b><span>{escape(meaning)}</span></figcaption></figure>"""


def _stops(table: Table) -> Sequence[float]:
    """Where the line is drawn through: the ends of every segment, so that steps stay steps."""
    stops = [0.0]
    for low, high in pairwise([0.0, *[edge for edge in table.edges if 0 < edge < 1], 1.0]):
        stops += [min(high, low + 1e-9), high]
    return stops


def _reliability(card: Mapping[str, Any]) -> str:
    if not card:
        return '<p class="quiet">No card beside the model: no reliability diagram.</p>'
    try:
        found = measured(card)
    except (KeyError, TypeError, ValueError):
        return '<p class="quiet">The card has no reliability diagram that can be drawn.</p>'

    def at(share: float) -> float:
        return 34 + share * (DIAGRAM - 44)

    largest = max(each.n for each in found.bins)
    marks = "".join(
        f'<circle cx="{at(each.said):.1f}" cy="{DIAGRAM - at(each.came):.1f}"'
        f' r="{3 + 4 * (each.n / largest) ** 0.5:.1f}" fill="#1f5fa8" fill-opacity=".8">'
        f"<title>predicted {each.said:.3f}, came {each.came:.3f}, n = {each.n:d}</title></circle>"
        for each in found.bins
    )
    ticks = "".join(
        f'<text x="{at(t) - 7:.1f}" y="{DIAGRAM - 20}">{t:.1f}</text>'
        f'<text x="12" y="{DIAGRAM - at(t) + 3:.1f}">{t:.1f}</text>'
        for t in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    )
    rows = "".join(
        f"<tr><th>{escape(label)}</th><td>{_interval(found.figures[name])}</td></tr>" for name, label in SHOWN.items()
    )
    return f"""<h2>Reliability</h2>
<p class="quiet">{escape(found.how)}</p>
<div class="grid"><figure><svg viewBox="0 0 {DIAGRAM} {DIAGRAM}" role="img" aria-label="reliability diagram">
<line x1="{at(0)}" y1="{DIAGRAM - at(0)}" x2="{at(1)}" y2="{DIAGRAM - at(1)}" stroke="#c3ccd6" stroke-dasharray="4 3"/>
<line x1="{at(0)}" y1="{DIAGRAM - at(0)}" x2="{at(1)}" y2="{DIAGRAM - at(0)}" stroke="#c3ccd6"/>
<line x1="{at(0)}" y1="{DIAGRAM - at(0)}" x2="{at(0)}" y2="{DIAGRAM - at(1)}" stroke="#c3ccd6"/>
{ticks}{marks}<text x="{DIAGRAM / 2 - 40}" y="{DIAGRAM - 5}">predicted probability</text>
<text transform="translate(9 {DIAGRAM / 2 + 30}) rotate(-90)">struggled</text>
</svg><figcaption><span>Ten bins of equal size; on the dashed line a probability means what it says.</span></figcaption>
</figure><div><table>{rows}
<tr><th>visits, learners</th><td>{found.n:d}, {found.learners:d}</td></tr></table></div></div>"""


def _interval(figure: tuple[float | None, float | None, float | None]) -> str:
    value, low, high = figure
    if value is None:
        return "-"
    return f"{value:.3f}" + ("" if low is None or high is None else f" [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    explain_model()
