"""What is said of a log and of its import, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.cli.counted import counted


def of_log(summary: Mapping[str, Any]) -> list[str]:
    """A line for the format, one for the counts, one for the dates and one for what was left out."""
    columns = ", ".join(f"{role} is {column}" for role, column in summary["mapping"].items())
    each = summary["answers_per_learner"]
    share = "" if summary["share_right"] is None else f", {summary['share_right']:.1%} of them right"
    lines = [
        f"Format: {summary['format']} ({columns}; times are {summary['times']}).",
        f"{counted(summary['answers'], 'answer')} of {counted(summary['learners'], 'learner')},"
        f" from {each['least']:,} to {each['most']:,} per learner (median {each['median']:,}){share};"
        f" {counted(summary['objectives'], 'objective')}, {counted(summary['cards'], 'card')}.",
    ]
    if summary["dates"]:
        lines.append(f"From {summary['dates'][0]} to {summary['dates'][1]}.")
    elif summary["order_only"]:
        lines.append("The times are only an order.")
    if summary["left_out"]:
        lines.append(
            "Left out or changed: " + ", ".join(f"{what} ({n:,})" for what, n in summary["left_out"].items()) + "."
        )
    return lines


def of_preview(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each row, under a heading."""
    heading = ("line", "user_id", "objective_id", "card_id", "at", "rating", "kind", "time_spent_ms")
    cells = [heading, *(tuple(_cell(row[name]) for name in heading) for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(heading))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]


def _cell(value: object) -> str:
    text = "-" if value is None else str(value)
    text = "".join(character if character.isprintable() else "·" for character in text)
    return text if len(text) <= 28 else text[:27] + "…"


def of_import(summary: Mapping[str, Any]) -> str:
    """One sentence after another on what was stored."""

    def told(*names: str) -> str:
        each = [counted(int(summary[name]), name.removeprefix("new_").replace("_", " ").rstrip("s")) for name in names]
        return f"{', '.join(each[:-1])} and {each[-1]}"

    rows, learners = counted(int(summary["rows"]), "row"), counted(int(summary["learners"]), "learner")
    return (
        f"{rows} of {learners} in {summary['seconds']} s."
        f" New are {told('new_answers', 'new_learners', 'new_objectives', 'new_cards')}."
        f" Stored anew were {told('visits', 'daily_metrics', 'validation_scores')}."
        + (" The times are only an order." if summary["order_only"] else "")
        + (" The tables were created." if summary["created_tables"] else "")
    )
