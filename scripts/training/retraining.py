"""One round of retraining: a challenger is trained, or taken up again, and compared; then it is kept or promoted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from db.client import Client
from ml.errors import NotEnoughExamples
from ml.evaluation.challengers import LEAST_GAIN, error_share, given_up, possible_gain
from ml.evaluation.evidence import MOST
from ml.evaluation.figures import THRESHOLD, evaluate
from ml.evaluation.promotion import ALIKE, Check, Verdict
from ml.instants import iso
from ml.model import suited
from ml.places import shipped
from ml.scoring.scorecard import SavedModel
from ml.storage import atomic_files
from ml.storage.contests import Contest
from ml.storage.levels_file import OPERATING_POINT
from ml.storage.registry import Registry
from ml.study.visits import threshold_of
from ml.training.examples import ExampleSet
from ml.training.model_card import figures_of
from ml.training.operating_point import Target, operating_point
from ml.training.prior import Trained, adapt, with_figures
from ml.training.stored_outcomes import TEACHING, usable
from ml.training.training_rows import training_rows
from scripts.labelling.history import build_table
from scripts.labelling.part import Extraction
from scripts.training.hold_out import HoldOut, hold_out_wants, probabilities
from scripts.training.retraining_start import Round, champion_of, stored_outcomes
from scripts.training.rules_on_visits import rules_on
from scripts.workers.backends import Workers

HOW_MEASURED = "The visits of the hold-out are newer than the training; the model predicted each of them."
KEPT_CHALLENGERS = 4
"""This many challengers stay as versions after their comparison ended without a promotion."""


class Retraining(NamedTuple):
    """What was done. version: the challenger's name, None where there is none. note: the reason.

    point: the operating threshold that was chosen for it, which holds from its promotion on. trained: whether it is a
    new one; otherwise it is that of an earlier round, which is still compared. contest: the comparison as it stands
    now, None where there is none.
    """

    version: str | None
    verdict: Verdict | None
    note: str
    trained_on: int
    judged_on: int
    left_out: dict[str, int]
    point: Mapping[str, object] | None = None
    trained: bool = False
    contest: Contest | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain builtins, ready for JSON."""
        found = self._asdict()
        found["verdict"] = self.verdict.to_dict() if self.verdict else None
        found["operating_point"] = found.pop("point")
        found["promoted"] = bool(self.verdict and self.verdict.promote)
        found["contest"] = self.contest.to_dict() if self.contest else None
        return found


def retrain(
    client: Client,
    registry: Registry,
    since_ms: int,
    everything: Extraction,
    workers: Workers,
    target: Target | None = None,
    anew: bool = False,
) -> Retraining:
    """Runs one round; the caller must hold the registry's lock.

    A challenger that is still compared with the model that answers is judged again, on all visits that neither was
    trained on. Where there is none, or `anew` asks for it, a new one is trained on what came before since_ms, but only
    if there are enough visits to judge it. target: what a new challenger's operating threshold is chosen for; None
    for a recall of 0.70. Raises ModelRefused where the champion's file is damaged.
    """
    now_ms, correct_from = everything.until_ms, everything.correct_from
    champion = champion_of(registry, correct_from)
    prior = suited(shipped(), correct_from)
    stored = usable(stored_outcomes(client, now_ms, correct_from))
    this = Round(client, registry, everything, workers, champion, stored, threshold_of(prior.struggle_below))
    contest = registry.contest()
    same = contest is not None and (contest.champion, contest.correct_from) == (champion.model_version, correct_from)
    if contest is not None and same and not anew:
        return _look(this, contest, registry.read(contest.challenger))
    until_ms = champion.saved.until_ms if champion.saved is not None else None
    start_ms = max(since_ms, until_ms or 0)  # what is judged is newer than both trainings
    wanting = hold_out_wants(client, everything._replace(struggle_below=this.below), stored, start_ms)
    if wanting:
        note = f"nothing is trained, because nothing could be proven: since {iso(start_ms)}, {wanting}"
        return Retraining(None, None, note, 0, 0, dict(stored.left_out))
    return _trained(this, prior, start_ms, target or Target())


def _trained(this: Round, prior: SavedModel, start_ms: int, target: Target) -> Retraining:
    """A new challenger, and the first look at it."""
    registry, correct_from, now_ms = this.registry, this.everything.correct_from, this.everything.until_ms
    with atomic_files.workshop(registry.directory) as at:
        table = os.path.join(at, "difficulty")
        size = build_table(this.client, table, start_ms, None, this.below, correct_from)
        examples = this.seen_with(table)
        older, newer = examples.select(examples.as_of_ms < start_ms), examples.select(examples.as_of_ms >= start_ms)
        try:
            trained = _challenger(prior, older, start_ms, correct_from)
        except NotEnoughExamples as refusal:
            return Retraining(None, None, str(refusal), len(older), len(newer), dict(this.stored.left_out))
        with open(table, "rb") as file:
            difficulty = registry.add_difficulty(file.read())
    point = operating_point(target, trained.probabilities, older, iso(now_ms))
    challenger = with_figures(trained.saved, {"threshold": float(str(point["operating_threshold"]))})
    hold_out = _hold_out(this, challenger, newer, start_ms)
    threshold = challenger.figures.get("threshold", THRESHOLD)
    found = evaluate(newer.y.astype(float), hold_out.challenger, newer.learner, threshold=threshold)
    challenger = with_figures(challenger, figures_of(found))
    card = {
        "correct_from": correct_from,
        "sources": list(challenger.sources),
        "difficulty": size._asdict(),
        "how_measured": HOW_MEASURED,
        "evaluation": found.to_dict(),
        "training_rows": training_rows(challenger, older.X),
        "trained_on": len(older),
        "left_out": dict(this.stored.left_out),
        "examples": TEACHING,
        "champion": this.champion.model_version,
        OPERATING_POINT: point,
        "use": "advisory only",
    }
    challenger = challenger.but(until_ms=start_ms, difficulty=difficulty)
    contests = registry.contests()
    possible = possible_gain(hold_out.champion, hold_out.challenger)
    share = 0.0
    if possible < LEAST_GAIN:
        sentence = f"even if the challenger were exactly right, log-loss would fall by {possible:.5f} only"
        seen = hold_out.judged(None)  # for the card; whatever it says, this challenger is not promoted
        verdict = seen._replace(outcome=ALIKE, checks=(Check("difference", False, sentence), *seen.checks))
    else:
        share = error_share([(earlier.looked_ms, earlier.error) for earlier in contests], now_ms)
        verdict = hold_out.judged(share)
    card |= {"judged_on": len(newer), "verdict": verdict.to_dict()}
    version = registry.add(challenger, iso(now_ms)[:10], card)
    began_ms = max([now_ms, *(earlier.began_ms + 1 for earlier in contests)])
    contest = Contest(
        *(this.champion.model_version, version, began_ms, start_ms, share, correct_from),
        *(verdict.outcome, "", now_ms, len(newer), None, None),
    )
    return _settled(this, contest, verdict, len(newer), len(older), trained=True)


def _look(this: Round, contest: Contest, challenger: SavedModel) -> Retraining:
    """A further look at a challenger of an earlier round."""
    newer = _since(contest.since_ms, this.seen_with(this.path(challenger)))
    verdict = _hold_out(this, challenger, newer, contest.since_ms).judged(contest.error)
    trained_on = this.registry.card(contest.challenger).get("trained_on")
    known = trained_on if isinstance(trained_on, int) else 0
    return _settled(this, contest, verdict, len(newer), known, trained=False)


def _settled(
    this: Round, contest: Contest, verdict: Verdict, judged_on: int, trained_on: int, trained: bool
) -> Retraining:
    """Records the look, and does what the verdict says."""
    registry, now_ms = this.registry, this.everything.until_ms
    found = verdict.evidence
    alike = "the models hardly differ" if verdict.outcome == ALIKE else ""
    over = "" if verdict.promote else alike or given_up(now_ms - contest.began_ms, found)
    contest = contest._replace(
        outcome=verdict.outcome,
        over=over,
        looked_ms=now_ms,
        examples=judged_on,
        gain=None if found is None else found.value,
        e_value=None if found is None else min(found.e_value, MOST),
    )
    # Recorded before the promotion: if the process is killed in between, the next look promotes.
    registry.looked(contest)
    if verdict.promote:
        registry.promote(contest.challenger, iso(now_ms), f"retraining: {verdict.checks[1].sentence}")
    elif over:
        registry.drop_challengers(KEPT_CHALLENGERS)
    note = verdict.outcome + (f"; {over}, and the next retraining trains another" if over else "")
    left_out = dict(this.stored.left_out)
    point = registry.card(contest.challenger).get(OPERATING_POINT)
    chosen = point if isinstance(point, dict) else None
    return Retraining(contest.challenger, verdict, note, trained_on, judged_on, left_out, chosen, trained, contest)


def _since(start_ms: int, examples: ExampleSet) -> ExampleSet:
    return examples.select(examples.as_of_ms >= start_ms)


def _challenger(prior: SavedModel, older: ExampleSet, until_ms: int, correct_from: str) -> Trained:
    """The prior, taught by the older examples. Raises NotEnoughExamples."""
    learners = len(set(older.learner.tolist()))
    source = f"{len(older)} visits of {learners} learners of this platform before {iso(until_ms)}"
    return adapt(
        *(prior, older.X, older.y.astype(float), older.learner, "challenger", [source], prior.struggle_below),
        correct_from=correct_from,
    )


def _hold_out(this: Round, challenger: SavedModel, newer: ExampleSet, start_ms: int) -> HoldOut:
    """newer: the examples since start_ms as the challenger sees them."""
    champion, known = this.champion, this.champion.difficulty
    as_champion_saw_them = _since(start_ms, this.seen_with(known.path if known else None))
    by_rules = rules_on(as_champion_saw_them)
    before = by_rules if champion.saved is None else probabilities(champion.saved, as_champion_saw_them)
    return HoldOut(newer, before, probabilities(challenger, newer), by_rules, champion.levels)
