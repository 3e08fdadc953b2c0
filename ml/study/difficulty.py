"""How hard objectives and cards were for OTHER learners than the one who is predicted: smoothed rates from counts.

The counts come from the table beside the model (ml/storage/difficulty_table.py), without those of the learner's own
fold, so that no learner's own outcome ever reaches that learner's features.
"""

from __future__ import annotations

from ml.study.scales import logistic, logit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Protocol

    class Difficulties(Protocol):
        """Looks up difficulties; ml.storage.difficulty_table.DifficultyTable has this interface."""

        @property
        def cutoff_ms(self) -> int:
            """The answers that are counted were all given before this moment."""
            ...

        def facing(
            self,
            learner_id: str | None,
            objective_ids: Iterable[str],
            card_ids: Iterable[str],
            targets: Iterable[str] = (),
            correct_from: str = "GOOD",
        ) -> LearnerDifficulty:
            """The difficulty of these objectives and cards, without the learner's own answers; None has none."""
            ...


COUNTS = (
    *("answers", "wrong", "learners"),
    *("first visits judged", "of them struggled", "repeat visits judged", "of them struggled"),
    *("runs of prompts", "of them failed"),
    *("opening answers of first visits", "of them wrong", "opening answers of repeat visits", "of them wrong"),
)
"""What is counted of an objective, in the order in which a table keeps it and in which it is read below."""
CARD_COUNTS = ("answers", "wrong")

ERROR_WEIGHT = 10.0
STRUGGLE_WEIGHT = 8.0
CARD_WEIGHT = 8.0
"""How many answers (visits, answers) the broader rate counts for when a rate is smoothed towards it."""

USUAL_RATE = 0.3
"""The share of answers that are wrong, and of visits that are a struggle, where nothing is known of a platform."""
USUAL_VISITS, USUAL_ANSWERS, USUAL_OPENING_ANSWERS = 100, 500, 300
"""How many first visits (and repeat visits), answers, and opening answers of either a platform's usual rate counts for.

The first answers of a platform come from a few learners, who may all be strong or weak. Their rates, as they are, put a
prediction at the wrong level: on the research data, a table of thirty to sixty visits then had a higher log-loss than
none. Shrinking the single objectives further instead made tables rank worse."""

_USUAL = (
    *(USUAL_ANSWERS, round(USUAL_RATE * USUAL_ANSWERS), 0),
    *(USUAL_VISITS, round(USUAL_RATE * USUAL_VISITS)) * 2,
    *(0, 0),
    *(USUAL_OPENING_ANSWERS, round(USUAL_RATE * USUAL_OPENING_ANSWERS)) * 2,
)


class Totals:
    """The platform's rates over all objectives, without the learner's own fold; all are in 0..1."""

    __slots__ = (
        "_usual_first",
        "_usual_repeat",
        "error_logit",
        "error_rate",
        "first_error_rate",
        "first_shift",
        "first_struggle_rate",
        "of_unknown_card",
        "repeat_error_rate",
        "repeat_shift",
        "repeat_struggle_rate",
        "struggle_rate",
    )

    def __init__(self, counts: Sequence[int]) -> None:
        (
            answers,
            wrong,
            _,
            first,
            first_struggled,
            repeat,
            repeat_struggled,
            _,
            _,
            opened,
            missed,
            reopened,
            remissed,
        ) = counts
        self.first_error_rate = (missed + 3) / (opened + 10)
        self.repeat_error_rate = (remissed + 3) / (reopened + 10)
        self.first_shift = self.repeat_shift = 0.0
        self.error_rate = (wrong + 3) / (answers + 10)
        self.error_logit = logit(self.error_rate)
        self.of_unknown_card = self.error_logit, logistic(-self.error_logit)
        self.struggle_rate = (first_struggled + repeat_struggled + 3) / (first + repeat + 10)
        self.first_struggle_rate = (first_struggled + 1) / (first + 2)
        self.repeat_struggle_rate = (repeat_struggled + 1) / (repeat + 2)
        self._usual_first = (first_struggled + STRUGGLE_WEIGHT * self.struggle_rate) / (first + STRUGGLE_WEIGHT)
        self._usual_repeat = (repeat_struggled + STRUGGLE_WEIGHT * self.struggle_rate) / (repeat + STRUGGLE_WEIGHT)

    @classmethod
    def of_table(cls, counts: Sequence[int]) -> Totals:
        """The rates of a deployment's table, shrunk towards what is usual as long as there are few answers."""
        return cls([count + usual for count, usual in zip(counts, _USUAL)])

    def comparable_rates(self, repeat: bool) -> tuple[float, float]:
        """The average objective's share of visits that were a struggle, and of opening answers that were wrong."""
        if repeat:
            return self._usual_repeat, self.repeat_error_rate
        return self._usual_first, self.first_error_rate


class ObjectiveDifficulty:
    """How hard one objective was for other learners: smoothed rates in 0..1, and how many learners they rest on."""

    __slots__ = (
        "error_logit",
        "error_rate",
        "first_error_rate",
        "first_shift",
        "first_struggle_rate",
        "learners",
        "of_unknown_card",
        "repeat_error_rate",
        "repeat_shift",
        "repeat_struggle_rate",
        "struggle_rate",
        "validation_failure_rate",
    )

    def __init__(self, counts: Sequence[int], totals: Totals) -> None:
        (
            answers,
            wrong,
            learners,
            first,
            first_struggled,
            repeat,
            repeat_struggled,
            prompts,
            failed,
            opened,
            missed,
            reopened,
            remissed,
        ) = counts
        self.learners = learners
        self.error_rate = (wrong + ERROR_WEIGHT * totals.error_rate) / (answers + ERROR_WEIGHT)
        self.error_logit = logit(self.error_rate)
        self.of_unknown_card = self.error_logit, logistic(-self.error_logit)
        self.first_error_rate = (missed + ERROR_WEIGHT * 0.5 * (self.error_rate + totals.first_error_rate)) / (
            opened + ERROR_WEIGHT
        )
        self.repeat_error_rate = (remissed + ERROR_WEIGHT * 0.5 * (self.error_rate + totals.repeat_error_rate)) / (
            reopened + ERROR_WEIGHT
        )
        self.first_shift = logit(self.first_error_rate) - self.error_logit
        self.repeat_shift = logit(self.repeat_error_rate) - self.error_logit
        struggled = first_struggled + repeat_struggled
        self.struggle_rate = (struggled + STRUGGLE_WEIGHT * totals.struggle_rate) / (first + repeat + STRUGGLE_WEIGHT)
        self.first_struggle_rate = (
            first_struggled + STRUGGLE_WEIGHT * 0.5 * (self.struggle_rate + totals.first_struggle_rate)
        ) / (first + STRUGGLE_WEIGHT)
        self.repeat_struggle_rate = (
            repeat_struggled + STRUGGLE_WEIGHT * 0.5 * (self.struggle_rate + totals.repeat_struggle_rate)
        ) / (repeat + STRUGGLE_WEIGHT)
        self.validation_failure_rate = (
            (failed + STRUGGLE_WEIGHT * self.struggle_rate) / (prompts + STRUGGLE_WEIGHT) if prompts else None
        )

    def comparable_rates(self, repeat: bool) -> tuple[float, float]:
        """The share of others' first (or repeat) visits that were a struggle, and of their opening answers wrong."""
        if repeat:
            return self.repeat_struggle_rate, self.repeat_error_rate
        return self.first_struggle_rate, self.first_error_rate


class Relations:
    """The objectives whose results predict this one's, as learned from other learners.

    weights: (objective id, 0..1) pairs. predecessors: ids of the objectives that most learners meet before it.
    """

    __slots__ = ("predecessors", "weights")

    def __init__(self, weights: Sequence[tuple[str, float]], predecessors: Sequence[str]) -> None:
        self.weights = weights
        self.predecessors = predecessors


class LearnerDifficulty:
    """The part of the table that one learner's predictions may use, read once for what one history needs."""

    __slots__ = ("_cards", "_of_card", "objectives", "relations", "totals")

    def __init__(
        self,
        totals: Totals,
        objectives: dict[str, ObjectiveDifficulty],
        cards: Mapping[str, Sequence[int]],
        relations: dict[str, Relations],
    ) -> None:
        self.totals = totals
        self.objectives = objectives
        self.relations = relations
        self._cards = cards
        self._of_card: dict[tuple[str | None, str], tuple[float, float]] = {}

    @property
    def of_any_card(self) -> tuple[float, float] | None:
        """What `of_card` returns where nothing is known of any objective or card; else None."""
        return None if self.objectives or self._cards else self.totals.of_unknown_card

    def of_card(self, objective_id: str | None, card_id: str) -> tuple[float, float]:
        """(How likely others are to answer this card wrong, as a logit; how likely they are to answer it right, 0..1).

        Both are shrunk towards the rate of the card's objective.
        """
        counts = self._cards.get(card_id)
        if counts is None or not counts[0]:
            return self.objectives.get(objective_id or "", self.totals).of_unknown_card
        key = objective_id, card_id
        known = self._of_card.get(key)
        if known is None:
            hardness = logit(self._smoothed(objective_id, counts))
            known = self._of_card[key] = hardness, logistic(-hardness)
        return known

    def joined_by(self, other: LearnerDifficulty) -> LearnerDifficulty:
        """What this and the other part of the same table know together."""
        return LearnerDifficulty(
            self.totals,
            {**self.objectives, **other.objectives},
            {**self._cards, **other._cards},
            {**self.relations, **other.relations},
        )

    def card_error_rate(self, objective_id: str | None, card_id: str) -> float | None:
        """Others' error rate on the card, shrunk in the same way, or None where nobody else has answered it."""
        counts = self._cards.get(card_id)
        if counts is None or not counts[0]:
            return None
        return self._smoothed(objective_id, counts)

    def _smoothed(self, objective_id: str | None, counts: Sequence[int]) -> float:
        broad = self.objectives.get(objective_id or "", self.totals)
        return (counts[1] + CARD_WEIGHT * broad.error_rate) / (counts[0] + CARD_WEIGHT)


NO_DIFFICULTY = LearnerDifficulty(Totals((0,) * len(COUNTS)), {}, {}, {})
"""What is known without a table: no objective and no card, and totals of three wrong answers in ten."""
