"""The changes that are possible for a learner who faces an objective, each as the rows that it would write.

Four kinds of change are known:

- master_prerequisite: one stated prerequisite that is not mastered gets mastered. Where the learner owns it and as_of
  is now, its masteryLevel becomes MASTERED. Elsewhere mastery is read from dated rows: the fewest correct answers on
  cards that the learner has answered before are added, or, on a prerequisite without answers, the fewest validation
  prompts with full scores, after which its mastery is 0.7 or more.
- review_now: the card of the objective that is due first is answered correctly. It ends the pause since the last study
  and judges nothing, since a visit of fewer than three answers is not judged.
- next_three_right: the three cards that are due first are answered correctly, which makes a visit that went well.
- lighter_day: what else is planned for today or overdue is put off. Missions under way that do not name the objective
  become SKIPPED; those that do keep only the objective itself. Study that has been done cannot be undone, so that the
  load of the last 24 hours stays as it is.

New answers and scores are dated in the last milliseconds before as_of. The schedule of the cards, the daily metrics and
everything else that a change does not name stay as they are.
"""

from __future__ import annotations

from ml.advice.records import Answer, ChangedMission, FullScore
from ml.instants import iso
from ml.study.correctness import is_correct
from ml.study.history import DAY_MS, UNDER_WAY, objective_named, objectives_of
from ml.study.scales import MASTERED_FROM
from ml.study.summary import (
    MASTERY_ANSWERS,
    MASTERY_SCORES,
    LearnerSummary,
    mastery_of,
    prerequisite_mastery,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml import ports
    from ml.study.history import StudyHistory

MASTER_PREREQUISITE, REVIEW_NOW = "master_prerequisite", "review_now"
NEXT_THREE_RIGHT, LIGHTER_DAY = "next_three_right", "lighter_day"
KINDS = (MASTER_PREREQUISITE, REVIEW_NOW, NEXT_THREE_RIGHT, LIGHTER_DAY)

MOST_PREREQUISITES = 20
"""At most this many prerequisites of one objective are looked at, the least mastered first."""
JUST_BEFORE_MS = 300
"""New rows lie within this many milliseconds before as_of, where no other row may be: their order must be certain."""


class Change:
    """One change: its kind, the objective that it is about (None for lighter_day), and the rows that it writes.

    name: the objective's text as stored. answers, scores: new rows, whose moments `dated` decides. mastered: the id of
    the prerequisite whose level becomes MASTERED. missions: all missions once some of them have changed.
    """

    __slots__ = ("answers", "kind", "mastered", "missions", "name", "objective_id", "postponed", "scores")

    def __init__(
        self,
        kind: str,
        objective_id: str | None = None,
        name: str | None = None,
        *,
        answers: Sequence[Answer] = (),
        scores: Sequence[FullScore] = (),
        mastered: str | None = None,
        missions: Sequence[ports.Mission] | None = None,
        postponed: Sequence[ChangedMission] = (),
    ) -> None:
        self.kind = kind
        self.objective_id = objective_id
        self.name = name
        self.answers = answers
        self.scores = scores
        self.mastered = mastered
        self.missions = missions
        self.postponed = postponed


def possible_changes(history: StudyHistory, missing_sources: Sequence[str] = ()) -> list[Change]:
    """The changes that can still be made: nothing that is mastered or done already, and nothing without its rows.

    missing_sources: what the database lacks; rows that could not be written there are not proposed.
    """
    changes = _of_prerequisites(history, missing_sources)
    if _room_for_rows(history):
        changes += _of_cards(history)
    lighter = _lighter_day(history)
    return changes if lighter is None else [*changes, lighter]


def dated(changes: Sequence[Change], as_of_ms: int) -> tuple[list[Answer], list[FullScore]]:
    """The new rows of all the changes, one per millisecond up to as_of, in the order of the changes."""
    at_ms = as_of_ms - sum(len(change.scores) + len(change.answers) for change in changes)
    answers, scores = [], []
    for change in changes:
        for score in change.scores:
            scores.append(score.at(at_ms))
            at_ms += 1
        for answer in change.answers:
            answers.append(answer.at(at_ms))
            at_ms += 1
    return answers, scores


def rows_of(changes: Sequence[Change], learner_id: str, as_of_ms: int) -> list[dict[str, object]]:
    """The changes as rows to write, in the words of the app's schema: the database that holds them predicts the same.

    Each names its table, and either the columns of a row to insert or those to set `where` a row has an id. A prompt
    and its response share the id that is given.
    """
    answers, scores = dated(changes, as_of_ms)
    rows: list[dict[str, object]] = [
        {"table": "learning_objectives", "where": {"id": change.mastered}, "set": {"masteryLevel": "MASTERED"}}
        for change in changes
        if change.mastered is not None
    ]
    for nth, score in enumerate(scores):
        prompt = f"advice-{as_of_ms}-{nth}"
        rows.append({"table": "validation_prompts", "insert": {"id": prompt, "objectiveId": score.objective_id}})
        response = {"promptId": prompt, "score": 1.0, "skipped": False, "respondedAt": iso(score.responded_at_ms)}
        rows.append({"table": "validation_responses", "insert": {"userId": learner_id, **response}})
    for answer in answers:
        given = {"cardId": answer.card_id, "rating": answer.rating, "reviewedAt": iso(answer.reviewed_at_ms)}
        rows.append({"table": "reviews", "insert": {"userId": learner_id, **given}})
    for change in changes:
        for mission in change.postponed:
            skipped = mission.status not in UNDER_WAY
            put = {"status": mission.status} if skipped else {"objectives": mission.objectives}
            rows.append({"table": "missions", "where": {"id": mission.id}, "set": put})
    return rows


def _room_for_rows(history: StudyHistory) -> bool:
    """Whether rows just before as_of would be the learner's newest by certain times."""
    past = history.past
    certain_ms = past.as_of_ms - JUST_BEFORE_MS
    answered = bool(past.reviews) and past.reviews[-1].reviewed_at_ms >= certain_ms
    scored = bool(past.validations) and past.validations[-1].responded_at_ms >= certain_ms
    return certain_ms > 0 and not (past.order_only or answered or scored)


def _of_prerequisites(history: StudyHistory, missing_sources: Sequence[str]) -> list[Change]:
    past = history.past
    summary = past.once(LearnerSummary)
    unmastered: dict[str, tuple[float, ports.Prerequisite]] = {}
    for row in history.prerequisites:
        mastery = prerequisite_mastery(row, summary)
        if mastery < MASTERED_FROM:
            unmastered.setdefault(row.objective_id, (mastery, row))
    if not unmastered:
        return []
    has_levels = past.is_now and "learning_objectives.masteryLevel" not in missing_sources
    has_scores = not any(source.startswith("validation_") for source in missing_sources)
    has_room = _room_for_rows(history)
    changes = []
    for _, row in sorted(unmastered.values(), key=lambda found: found[0])[:MOST_PREREQUISITES]:
        if has_levels and row.owner_id == past.learner.id:
            changes.append(Change(MASTER_PREREQUISITE, row.objective_id, row.name, mastered=row.objective_id))
        elif has_room and (shown := _shown_by_rows(row, summary, has_scores)) is not None:
            changes.append(shown)
    return changes


def _shown_by_rows(row: ports.Prerequisite, summary: LearnerSummary, has_scores: bool) -> Change | None:
    """The fewest rows after which the prerequisite counts as mastered; None where none can be written."""
    correct_from = summary.past.correct_from
    earlier = summary.reviews_of(row.objective_id)
    right = [is_correct(answer.rating, correct_from) for answer in earlier[-MASTERY_ANSWERS:]]
    held = summary.validation_scores_of(row.objective_id)[-MASTERY_SCORES:]
    cards: dict[str, ports.Review] = {answer.card_id: answer for answer in earlier}
    newest = list(cards.values())[::-1]
    for scores in (0, MASTERY_SCORES) if earlier else range(1, MASTERY_SCORES + 1):
        if scores and not has_scores:
            return None
        for more in range(MASTERY_ANSWERS + 1 if earlier else 1):
            shown = (right + [True] * more)[-MASTERY_ANSWERS:]
            if mastery_of(sum(shown), len(shown), (held + [1.0] * scores)[-MASTERY_SCORES:]) >= MASTERED_FROM:
                return Change(
                    MASTER_PREREQUISITE,
                    row.objective_id,
                    row.name,
                    answers=[_again(newest[nth % len(newest)], row.objective_id) for nth in range(more)],
                    scores=[FullScore(row.objective_id, row.course_id)] * scores,
                )
    return None


def _again(answer: ports.Review, objective_id: str) -> Answer:
    return Answer(answer.card_id, objective_id, answer.course_id)


def _of_cards(history: StudyHistory) -> list[Change]:
    objective = history.objective
    never = float("inf")
    due = sorted(history.cards, key=lambda card: (never if (at := card.next_review_at_ms) is None else at, card.id))
    if not due:
        return []
    right = [Answer(due[nth % len(due)].id, objective.id, objective.course_id) for nth in range(3)]
    return [
        Change(REVIEW_NOW, objective.id, answers=right[:1]),
        Change(NEXT_THREE_RIGHT, objective.id, answers=right),
    ]


def _plain(entry: object, objective_id: str) -> dict[str, object]:
    """A mission's entry without what is nested in it, which may be of any depth; it names the same objective."""
    held: dict[str, object] = entry if isinstance(entry, dict) else {}
    plain = {name: value for name, value in held.items() if not isinstance(value, (dict, list))}
    return plain if objective_named(plain) == objective_id else {**plain, "objective": {"id": objective_id}}


def _lighter_day(history: StudyHistory) -> Change | None:
    past, faced = history.past, history.objective.id
    tomorrow_ms = (past.as_of_ms // DAY_MS + 1) * DAY_MS
    missions: list[ports.Mission] = []
    postponed: list[ChangedMission] = []
    for mission in past.missions:
        named = objectives_of(mission) if mission.date_ms < tomorrow_ms else []
        if not mission.id or all(each == faced for each in named):
            missions.append(mission)
            continue
        if faced in named:
            entries: Sequence[object] = mission.objectives  # type: ignore[assignment]
            own = [_plain(entry, faced) for entry in entries if objective_named(entry) == faced]
            changed = ChangedMission(mission, mission.status, own)
        else:
            changed = ChangedMission(mission, "SKIPPED", mission.objectives)
        missions.append(changed)
        postponed.append(changed)
    return Change(LIGHTER_DAY, missions=missions, postponed=postponed) if postponed else None
