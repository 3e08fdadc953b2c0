"""The reliability diagram: predicted probabilities against what happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.cli.model_card import Bin
from scripts.pages.marks import Mark, Picture, dot, label, line, picture, scale


def reliability(bins: Sequence[Bin]) -> Picture:
    """A dot for each bin of predictions, larger where there are more of them, beside the diagonal."""
    size, left, top = 300, 50, 10
    x, y = scale(0, 1, left, left + size), scale(0, 1, top + size, top)

    def marks() -> Iterator[Mark]:
        yield line("rule", x(0), y(0), x(1), y(0))
        yield line("rule", x(0), y(0), x(0), y(1))
        yield line("diagonal", x(0), y(0), x(1), y(1))
        for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
            yield label("tick middle", x(tick), top + size + 16, f"{tick:.1f}")
            yield label("tick end", left - 6, y(tick) + 4, f"{tick:.1f}")
        yield label("axis middle", left + size / 2, top + size + 36, "predicted probability of a struggle")
        yield label("axis middle", 14, top + size / 2, "share that struggled", turned=True)
        most = max(each.n for each in bins)
        for each in bins:
            told = f"predicted {each.said:.3f}, struggled {each.came:.3f}, n = {each.n:,}"
            yield dot("dot", x(each.said), y(each.came), 3 + 4 * (each.n / most) ** 0.5, told)

    return picture("reliability", left + size + 12, top + size + 44, "reliability diagram", marks())
