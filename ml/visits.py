"""Answers and visits, and the platform's definition of having struggled.

A visit is one learner's answers on one objective with no gap over an hour between them. An answer counts when its
rating is one of the four; any other text is no grade. It is correct unless it is AGAIN.
"""

from __future__ import annotations

from ml.history import VISIT_GAP_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ml import ports

RECALLED = frozenset(("HARD", "GOOD", "EASY"))
FLUENT = frozenset(("GOOD", "EASY"))
GRADES = RECALLED | {"AGAIN"}

FEWEST_ANSWERS = 3
"""A visit with fewer graded answers says nothing about struggle."""
FIRST_ANSWERS = 5
"""The label looks at no more than these; what follows is practice."""
WRONG_ANSWERS = 2
"""Two wrong among three to five answers is the fewest that puts performance below 65 %; three AGAIN contain them."""
STRUGGLE_BELOW_SCORE = 0.6
"""A validation score below this is a struggle."""


def graded(reviews: Iterable[ports.Review]) -> list[ports.Review]:
    """The reviews whose rating is one of AGAIN, HARD, GOOD, EASY, in their order."""
    return [review for review in reviews if review.rating in GRADES]


def visits(reviews: Sequence[ports.Review]) -> list[list[ports.Review]]:
    """One objective's reviews, oldest first, cut wherever more than an hour lies between two of them."""
    found: list[list[ports.Review]] = []
    last_ms = None
    for review in reviews:
        at_ms = review.reviewed_at_ms
        if last_ms is None or at_ms - last_ms > VISIT_GAP_MS:
            visit: list[ports.Review] = []
            found.append(visit)
        visit.append(review)
        last_ms = at_ms
    return found


def struggled(visit: Iterable[ports.Review]) -> bool | None:
    """Whether the visit was a struggle: two or more AGAIN among its first up-to-five answers; None below three."""
    first = graded(visit)[:FIRST_ANSWERS]
    if len(first) < FEWEST_ANSWERS:
        return None
    return sum(review.rating == "AGAIN" for review in first) >= WRONG_ANSWERS
