"""The same answer in other words: in another language, or for the learner whom it is about.

An answer is made in English for a teacher, which is what is stored, and it holds all that its words are made of: the
features' values and contributions. So other words are another rendering of the same object, and a prediction in English
pays nothing for them.
"""

from __future__ import annotations

from ml.features.vector import FEATURES
from ml.language import ENGLISH
from ml.scoring.prediction import Factor, reasoning_of
from ml.study.objective_names import Unmastered
from ml.wording.learner import STEP_OF_ADVICE, encouragement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ml.language import Language

_BY_NAME = {feature.name: feature for feature in FEATURES}


def reworded(answer: Mapping[str, Any], language: Language) -> dict[str, object]:
    """The answer in the words of a language, for its reader.

    Args:
        answer: As ml.answer.answer makes it.
        language: ml.wording.choice has them.

    Returns:
        A new object. `reasoning`, `degraded` and each `text` of factors and advice are in the language; a factor's
        `stored_text` is what `text` was, and `indicators` and `features` are unchanged, since they are made to be
        stored.
    """
    if language is ENGLISH:
        return dict(answer)
    degraded = answer["degraded"]
    factors = [_reworded(factor, language) for factor in answer["factors"]]
    parts = [Factor(each["feature"], each["value"], each["contribution"], each["text"]) for each in factors]
    if language.audience == "learner":
        parts += _without_weight(answer, language)
        reasoning = encouragement(parts, degraded, next_step(answer["advice"], language), language)
    else:
        reasoning = reasoning_of(answer["probability"], parts, degraded, language, answer["risk_level"])
    return {
        **answer,
        "language": language.code,
        "audience": language.audience,
        "reasoning": reasoning,
        "factors": factors,
        "change": _changed(answer.get("change"), language),
        "advice": [
            {**each, "text": advice_text(each, language), "stored_text": each["text"]} for each in answer["advice"]
        ],
        "degraded": str(language.messages.get(f"degraded_{answer['degraded_code']}", degraded)),
    }


def _reworded(factor: Mapping[str, Any], language: Language) -> dict[str, Any]:
    value, raises = factor["value"], factor["contribution"] > 0
    named = [Unmastered(each["id"], each["name"], each["mastery"]) for each in factor.get("objectives", ())]
    if value is not None and raises and named:
        unlisted = factor.get("objectives_in_all", len(named)) - len(named)
        text = _BY_NAME[factor["feature"]].clause_naming(value, named + named[-1:] * unlisted, language)
    else:
        text = _clause(factor, raises, language)
    return {**factor, "text": text, "stored_text": factor["text"]}


def _without_weight(answer: Mapping[str, Any], language: Language) -> list[Factor]:
    """What is known and has no part in the probability: something may go well that the model does not look at."""
    features = answer["features"]
    silent = _BY_NAME.keys() - {factor["feature"] for factor in answer["factors"]} - set(features["defaulted"])
    return [
        Factor(name, features[name], 0.0, feature.clause(features[name], False, language))
        for name, feature in _BY_NAME.items()
        if name in silent
    ]


def _changed(change: Mapping[str, Any] | None, language: Language) -> dict[str, Any] | None:
    if change is None:
        return None
    from ml.scoring.change import in_words  # few answers have one

    factors = change["factors"]
    if factors is not None:
        factors = [
            {**each, "text": _clause(each, each["points"] > 0, language), "stored_text": each["text"]}
            for each in factors
        ]
    reason = factors[0]["text"] if factors and factors[0]["points"] * change["difference"] > 0 else ""
    text = in_words(change["difference"], change["since"], reason, language)
    return {**change, "factors": factors, "text": text, "stored_text": change["text"]}


def _clause(factor: Mapping[str, Any], raises: bool, language: Language) -> str:
    feature, value = _BY_NAME[factor["feature"]], factor["value"]
    return feature.absence(language) if value is None else feature.clause(value, raises, language)


def advice_text(advice: Mapping[str, Any], language: Language) -> str:
    """One advice of an answer as a sentence."""
    did = language.say(f"advice_did_{advice['kind']}", name=language.name(str(advice["objective_name"])))
    return language.say(
        f"advice_said_{advice['basis']}", did=did, probability=language.probability(advice["probability"])
    )


def next_step(advice: Sequence[Mapping[str, Any]], language: Language) -> str:
    """The first advice as a step; empty without any."""
    for first in advice:
        return language.say(STEP_OF_ADVICE[first["kind"]], name=language.name(str(first["objective_name"])))
    return ""
