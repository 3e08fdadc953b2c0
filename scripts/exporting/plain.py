"""The rows of an answer log in the plain layout; answers that do not fit into one are left out and counted.

Importing the rows again gives the same reviews, sessions and daily metrics, under the same ids where an import had made
them. An import puts the answers of a log without times ten minutes apart; a study row, which contains no answer, keeps
the place of one that is not exported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, groupby

from db.stored_answers import StoredAnswer
from ml.study.correctness import is_correct
from ml.study.visits import GRADES
from scripts.cli.exits import Usage
from scripts.importing.answer_log import COUNTED_FROM_START_BELOW_MS
from scripts.importing.answers import LONGEST_ID_BYTES, ORDER_STEP_MS, POSTTEST, PRACTICE, START_OF_COUNT_MS, STUDY
from scripts.importing.study import card_id

HEADER = ("user_id", "item_id", "timestamp", "correct", "skill_id", "kind", "rating", "time_spent_ms")
DATES, ORDER = "dates", "order"
LONGEST_GAP = 10_000
"""Study rows that keep the places of what lay between two answers; no import makes more than a log has."""
MOST_TRIALS = 100
"""A score becomes so many trials at most: hundredths, where no smaller number of trials gives it exactly."""

Row = Sequence[object]


OPTED_OUT = "opted_out"
NO_OBJECTIVE = "without_objective"
NOT_A_GRADE = "without_a_grade"
NO_DATE = "without_a_usable_date"
NO_ID = "without_a_usable_id"
OTHER_TIMES = "with_other_times"
LEFT_OUT = (OPTED_OUT, NO_OBJECTIVE, NOT_A_GRADE, NO_DATE, NO_ID, OTHER_TIMES)
"""Why answers are not exported."""

Counts = Counter[str]


class MixedTimes(Usage):
    """Raised when some learners' answers have dates, and others' only an order, and none of the two was asked for."""


def exported(
    answers: Iterable[StoredAnswer], named: Callable[[str], str], correct_from: str, times: str | None, counts: Counts
) -> Iterator[Row]:
    """The rows of the log, learner by learner.

    Args:
        answers: Learner by learner, oldest first.
        named: The name under which a learner is exported.
        correct_from: The lowest grade that is a correct answer.
        times: DATES or ORDER, to export only the learners whose answers have dates, or only an order; None for all, who
            must then be alike.
        counts: Gets the number of rows and of answers, and how many were left out, by reason.

    Raises:
        MixedTimes: times is None, and some learners' answers have dates, others' only an order.
    """
    items: dict[str, str] = {}
    wanted = times
    for learner_id, group in groupby(answers, key=lambda answer: answer.learner_id):
        rest = iter(group)
        first = next(rest)
        kind, own = _times_of(first, rest)
        if not first.teaches:
            counts["learners_opted_out"] += 1
            counts[OPTED_OUT] += sum(1 for _ in own)
        elif wanted in (None, kind):
            wanted, before = kind, counts["rows"]
            rows = _in_order if kind == ORDER else _with_dates
            yield from rows(named(learner_id), _fitting(own, counts), correct_from, items, counts)
            counts["learners"] += counts["rows"] > before
        elif times is None:
            raise MixedTimes(
                "Some learners' answers have dates and others' only an order, and one log cannot hold both: export each"
                " with --times dates and --times order."
            )
        else:
            counts[OTHER_TIMES] += sum(1 for _ in own)
    counts["order_only"] = int(wanted == ORDER)


def _times_of(first: StoredAnswer, rest: Iterator[StoredAnswer]) -> tuple[str, Iterator[StoredAnswer]]:
    """What the times of a learner are, by the first review; with all of the learner's answers."""
    seen = [first]
    while seen[-1].card_id is None:
        following = next(rest, None)
        if following is None:
            return DATES, iter(seen)
        seen.append(following)
    return ORDER if seen[-1].order_only else DATES, chain(seen, rest)


def _fitting(answers: Iterable[StoredAnswer], counts: Counts) -> Iterator[StoredAnswer]:
    """Those that a log can hold."""
    for answer in answers:
        reason = _unfit(answer)
        if reason is None:
            yield answer
        else:
            counts[reason] += 1


def _unfit(answer: StoredAnswer) -> str | None:
    if answer.objective_id is None:
        return NO_OBJECTIVE
    if answer.card_id is None:
        unfit = answer.score is None or not 0 <= answer.score <= 1
    else:
        unfit = answer.rating not in GRADES
    if unfit:
        return NOT_A_GRADE
    if answer.at_ms is None or answer.at_ms < COUNTED_FROM_START_BELOW_MS:
        return NO_DATE
    ids = (answer.learner_id, answer.objective_id, _item(answer) if answer.card_id is not None else "-")
    return None if all(map(_holdable, ids)) else NO_ID


def _holdable(identifier: str) -> bool:
    try:
        return 0 < len(identifier.encode()) <= LONGEST_ID_BYTES and "\0" not in identifier
    except UnicodeEncodeError:
        return False


def _with_dates(
    name: str, answers: Iterable[StoredAnswer], correct_from: str, items: dict[str, str], counts: Counts
) -> Iterator[Row]:
    for answer in answers:
        at = _seconds(answer.at_ms or 0)
        if answer.card_id is None:
            yield from _trials(name, answer, at, items, counts)
        else:
            yield _practice(name, answer, at, correct_from, items, counts)


def _in_order(
    name: str, answers: Iterable[StoredAnswer], correct_from: str, items: dict[str, str], counts: Counts
) -> Iterator[Row]:
    place = 0
    for answer in answers:
        if answer.card_id is None or not answer.order_only or answer.objective_id is None:
            counts[OTHER_TIMES] += 1  # a log that gives only an order can place neither
            continue
        wanted = ((answer.at_ms or 0) - START_OF_COUNT_MS) // ORDER_STEP_MS
        if wanted - place > LONGEST_GAP:
            counts[NO_DATE] += 1
            continue
        for _ in range(wanted - place):
            counts["rows"] += 1
            counts["study_rows"] += 1
            yield (name, _item(answer), "0", "", answer.objective_id, STUDY, "", "")
        place = max(place, wanted) + 1
        yield _practice(name, answer, "0", correct_from, items, counts)


def _practice(
    name: str, answer: StoredAnswer, at: str, correct_from: str, items: dict[str, str], counts: Counts
) -> Row:
    counts["rows"] += 1
    counts["answers"] += 1
    objective, rating = str(answer.objective_id), str(answer.rating)
    items[objective] = item = _item(answer)
    right = int(is_correct(rating, correct_from))
    return (name, item, at, right, objective, PRACTICE, rating, answer.spent_ms or "")


def _trials(name: str, answer: StoredAnswer, at: str, items: dict[str, str], counts: Counts) -> Iterator[Row]:
    """A score as that share of right trials, on the item of the objective that was met last."""
    score, objective = answer.score or 0.0, str(answer.objective_id)
    share = Fraction(score).limit_denominator(MOST_TRIALS)
    right, trials = share.numerator, share.denominator
    if right / trials != score:
        right, trials = round(score * MOST_TRIALS), MOST_TRIALS
        counts["rounded_scores"] += 1
    counts["rows"] += trials
    counts["validation_scores"] += 1
    for nth in range(trials):
        yield (name, items.get(objective, POSTTEST), at, int(nth < right), objective, POSTTEST, "", "")


def _item(answer: StoredAnswer) -> str:
    """The item's own id where an import made the card's id from it, else the card's id."""
    card, objective = str(answer.card_id), str(answer.objective_id)
    beginning = card_id(objective, "")
    return card[len(beginning) :] if card.startswith(beginning) and card != beginning else card


def _seconds(at_ms: int) -> str:
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{seconds}.{milliseconds:03}" if milliseconds else str(seconds)
