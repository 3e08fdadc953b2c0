"""What to do next where no alert says it: what is missing before the report can judge, and what would sharpen it."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.cli.counted import counted
from scripts.monitoring.report import Report
from scripts.monitoring.targets import MINIMUM_LEARNERS


def next_steps(report: Report, keeps_evidence: bool) -> list[str]:
    """Sentences, the most urgent first; an alert's own next step is not among them."""
    return list(_steps(report, keeps_evidence))


def _steps(report: Report, keeps_evidence: bool) -> Iterator[str]:
    if not report.predictions:
        yield "Store predictions with predict_batch.py --store, or look at a longer period with --days."
        return
    if report.sufficient and not report.alerts:
        yield "Nothing needs to be done about the model; look again next week."
    if report.awaiting:
        many = counted(report.awaiting, "prediction awaits its outcome", "predictions await their outcome")
        yield f"{many}: run record_outcomes.py after the learners have studied."
    if not report.sufficient:
        lacking = max(report.minimum - report.evaluation.n, 0)
        said = f"{counted(lacking, 'more judged visit')}" if lacking else "visits of more learners"
        yield (
            f"Figures are judged from {report.minimum} visits of {MINIMUM_LEARNERS} learners on; {said} are needed."
            " A longer period (--days) may have them."
        ).replace("1 more judged visit are", "1 more judged visit is")
    if not keeps_evidence:
        yield "Keep evidence between reports with --state FILE: it finds small changes, and makes false alarms rare."
