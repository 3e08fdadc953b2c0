"""What a trial found, as one record, as JSON, and as a few lines for people."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml.evaluation.figures import Evaluation, Figure
from ml.instants import iso
from ml.places import HOUSE
from scripts.cli.counted import counted
from scripts.cli.streams import printable
from scripts.trial.content import Objective
from scripts.trial.learned import Learned

FIGURES = {"auc": "AUC", "log_loss": "log-loss", "brier": "Brier score", "ece": "calibration error"}


class Trial(NamedTuple):
    """A trial. log: the summary of the import. seconds: by step."""

    file: str
    directory: str
    database_url: str
    page: str
    log: Mapping[str, Any]
    structure: Mapping[str, Any] | None
    objectives: Sequence[Objective]
    learned: Learned
    answer: Mapping[str, Any] | None
    seconds: Mapping[str, float]

    @property
    def command(self) -> list[str]:
        """The arguments of the command for one learner; empty where no visit can be predicted."""
        last = self.learned.last
        if last is None:
            return []
        program = ["python", "predict.py" if os.getcwd() == HOUSE else os.path.join(HOUSE, "predict.py")]
        options = ["--pretty", "--database-url", self.database_url, "--model", self.learned.model]
        return [*program, *options, "--as-of", iso(last.at_ms), "--", last.learner_id, last.objective_id]

    def to_dict(self) -> dict[str, Any]:
        """Plain builtins, ready for JSON."""
        learned, last = self.learned, self.learned.last
        return {
            "file": self.file,
            "directory": self.directory,
            "page": self.page,
            "log": {name: self.log[name] for name in LOG_FIELDS},
            "warnings": [{"kind": each["kind"], "text": each["text"]} for each in self.log["warnings"]],
            "model": learned.model,
            "model_version": learned.version,
            "trained": learned.trained,
            "why": learned.why,
            "learners_left_out": learned.left_out,
            "methods": {name: _method(found) for name, found in learned.methods.items()},
            "example": None
            if last is None or self.answer is None
            else {
                "user_id": last.learner_id,
                "objective_id": last.objective_id,
                "as_of": iso(last.at_ms),
                "probability": self.answer["probability"],
                "struggled": last.struggled,
                "command": self.command,
            },
            "seconds": dict(self.seconds),
        }

    def text(self) -> str:
        """The lines for people."""
        log, learned = self.log, self.learned
        lines = [
            f"{counted(log['answers'], 'answer')} of {counted(log['learners'], 'learner')} on"
            f" {counted(log['objectives'], 'objective')} ({log['format']}).",
            learned.why,
        ]
        for name, found in learned.methods.items():
            lines.append(
                f"  {name}: AUC {_interval(found.figure('auc'))}, log-loss {_interval(found.figure('log_loss'))}"
            )
        if learned.methods:
            n = next(iter(learned.methods.values()))
            lines.append(
                f"  on {counted(n.n, 'labelled visit')} of {counted(n.learners, 'learner')} left out of training,"
                f" {counted(n.struggles, 'struggle')}"
            )
        lines.append(f"The page: {self.page}")
        if self.command:
            lines += ["One learner:", "  " + shlex.join(map(printable, self.command))]
        return "\n".join(lines)


LOG_FIELDS = (
    *("format", "mapping", "rows", "learners", "objectives", "cards", "answers", "order_only", "dates"),
    *("share_right",),
)


def _method(found: Evaluation) -> dict[str, Any]:
    figures = {name: found.figure(name) for name in (*FIGURES, "struggle_rate")}
    return {
        "visits": found.n,
        "learners": found.learners,
        "struggles": found.struggles,
        "figures": {name: {"value": each.value, "low": each.low, "high": each.high} for name, each in figures.items()},
    }


def _interval(figure: Figure) -> str:
    if figure.value is None:
        return f"unknown ({figure.reason})"
    return f"{figure.value:.3f}" + ("" if figure.low is None else f" [{figure.low:.3f}, {figure.high:.3f}]")
