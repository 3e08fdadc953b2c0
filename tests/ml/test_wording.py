"""Answers in other words: every message is translated, and what is said is right in its language and for its reader."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from string import Formatter
from typing import TYPE_CHECKING, Any

import pytest

from ml.advice.advise import SAID, Advice
from ml.advice.changes import KINDS, Change
from ml.answer import answer
from ml.features.vector import FEATURE_NAMES, FEATURES, FeatureVector
from ml.language import ENGLISH, Language
from ml.model import StrugglePredictionModel
from ml.scoring.prediction import Factor
from ml.study.degraded import SENTENCES
from ml.study.objective_names import Unmastered
from ml.wording import learner
from ml.wording.choice import AUDIENCES, LANGUAGES, language, language_named, plural_rule
from ml.wording.rewording import advice_text, reworded
from tests.catalogues import catalogues, messages_for, po_of, po_text, table_of, table_text, translations, untranslated
from tests.catalogues import updated as updated_catalogue
from tests.golden_sentences import lines_in
from tests.ml.test_golden_sentences import NUMBER_SLIPS

if TYPE_CHECKING:
    from ml.language import Message

OTHERS = catalogues()
RENEW = "messages have changed: translate them in ml/wording, then python -m tests.catalogues"
NAMED = [f"{code}, {audience}" for code, audience in OTHERS]


def catalogue_of(code: str, audience: str) -> Any:
    return updated_catalogue(code, audience, translations(po_of(code, audience), code))


def forms(message: Message) -> tuple[str, ...]:
    return (message,) if isinstance(message, str) else message


def places(message: str) -> set[str]:
    return {name.lower() for _, name, _, _ in Formatter().parse(message) if name}


def said_in(code: str, audience: str) -> list[str]:
    """Every text on record in the language, without what stands before it on its line."""
    texts = []
    for line in lines_in(language(code, audience)):
        if line.startswith("  "):
            text = re.sub(r"^  (?:\S+ +(?:either|raises|lowers)   )?", "", line)
            if "A caller's own words" not in line and "caller" not in line:
                texts.append(text)
    return texts


@pytest.mark.parametrize(("code", "audience"), OTHERS, ids=NAMED)
def test_every_message_is_translated_and_the_tables_are_up_to_date(code: str, audience: str) -> None:
    catalog = catalogue_of(code, audience)
    assert untranslated(catalog) == [], RENEW
    assert po_text(catalog) == po_of(code, audience).read_bytes(), RENEW
    assert table_text(code, audience, catalog) == table_of(code, audience).read_text(encoding="utf-8"), RENEW


def test_a_changed_english_message_makes_its_translation_fuzzy() -> None:
    kept = translations(po_of("de", "teacher"), "de")
    meant, said = kept["share_below"]
    catalog = updated_catalogue("de", "teacher", {**kept, "share_below": ("under 1 %", said)})
    assert meant == "less than 1 %"
    assert untranslated(catalog) == ["share_below"]
    assert "share_below" not in table_text("de", "teacher", catalog)


def test_a_language_with_three_plural_forms_can_be_begun() -> None:
    catalog = updated_catalogue("pl", "teacher", {})
    assert set(untranslated(catalog)) == set(messages_for("teacher"))
    assert len(catalog.get(messages_for("teacher")["points"], "points").string) == 3
    rule = plural_rule(catalog.plural_expr)
    assert [rule(n) for n in (1, 2, 5, 12, 22)] == [0, 1, 2, 2, 1]


@pytest.mark.parametrize(("code", "audience"), OTHERS, ids=NAMED)
def test_a_translation_has_the_places_and_the_forms_of_its_message(code: str, audience: str) -> None:
    words = language(code, audience)
    for key, message in messages_for(audience).items():
        said = words.messages[key]
        assert isinstance(said, str) == isinstance(message, str), key
        bare = [places(re.sub(r"\[.*?\]", "", form)) for form in forms(message)]
        for form in forms(said):
            mine = places(re.sub(r"\[.*?\]", "", form))
            assert mine in bare or (audience == "learner" and mine | {"probability"} in bare), key
            mark = re.search(r"\[([+-])", form)
            assert mark is None or f"[{mark[1]}" in forms(message)[0], f"{key}: it is little where the English is not"
            assert len(form) == 1 or form.endswith(".") == forms(message)[0].endswith("."), key
            assert not key.count(".") or form[0].islower() or form[0] in "[{5A", f"{key}: a clause begins a sentence"


@pytest.mark.parametrize(("code", "audience"), OTHERS, ids=NAMED)
def test_no_text_has_an_unfilled_place_or_a_raw_name(code: str, audience: str) -> None:
    for text in said_in(code, audience):
        assert not set("{}[]|#_") & set(text), text
        assert not any(name in text for name in FEATURE_NAMES if "_" in name), text
        assert not re.search(r"\b(\w+) \1\b", text), text
        assert "None" not in text


@pytest.mark.parametrize("slip", NUMBER_SLIPS)
def test_a_learners_english_counts_as_a_teachers(slip: str) -> None:
    assert [text for text in said_in("en", "learner") if re.search(slip, text)] == []


GERMAN_SLIPS = (
    r"(?<![\d.,])1 (andere )?\w*(Tagen?|Stunden|Antworten|Lernziele|Durchgänge|Prozentpunkte|Lernenden)\b(?<!1 Tag)",
    r"(?<![\d.,])([02-9]|\d{2,}) (andere )?(Tag|Stunde|Antwort|Lernziel|Durchgang|Prozentpunkt|Person)\b",
    r"\b(sind|wurden|waren) 1 (?!%|Proz)",
    r"(?<!\d)\d{4,}(?!-\d\d-\d\d)",
    r"\d,\d{3}|\d\.\d(?!\d\d)",
    r"\bnur (0|weniger|mehr|alle|kein)",
    r"\b(keine|alle) der (alle|keine)\b",
)


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("slip", GERMAN_SLIPS)
def test_german_counts_as_germans_do(slip: str, audience: str) -> None:
    texts = [re.sub(r"\d\d\.\d\d\.\d{4}", "", text) for text in said_in("de", audience)]  # dates are no amounts
    assert [text for text in texts if re.search(slip, text)] == []


ALSO_GERMAN = {
    "rest",
    "ionen",
    "again",
    "format",
    "video",
    "text",
    "in",
    "an",
    "am",
    "so",
    "was",
    "die",
    "war",
    "hat",
    "all",
    "man",
    "such",
}


@pytest.mark.parametrize("audience", AUDIENCES)
def test_no_english_word_is_left_in_german(audience: str) -> None:
    english = {word for text in said_in("en", audience) for word in words_of(text)}
    left = {word for text in said_in("de", audience) for word in words_of(text)} & english
    assert left <= ALSO_GERMAN


def words_of(text: str) -> Iterator[str]:
    return (word.lower() for word in re.findall(r"[^\W\d_]+", text))


NEVER_TO_A_LEARNER = (
    r"(?i)risk|struggl|weak|fail|\bbad\b|poor",
    r"\b(HIGH|MEDIUM|LOW)\b",
    r"(?i)risiko|schwierigkeit|schwach|schwäch|versag|schlecht|mangelhaft|durchgefallen",
)


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_learner_is_never_given_a_label(code: str) -> None:
    words = language(code, "learner")
    texts = [
        *said_in(code, "learner"),
        *(str(words.messages[key]) for key in messages_for("learner") if "." not in key),
    ]
    for pattern in NEVER_TO_A_LEARNER:
        assert [text for text in texts if re.search(pattern, text)] == []


@pytest.mark.slow
@pytest.mark.parametrize(("code", "audience"), OTHERS, ids=NAMED)
def test_no_value_at_all_brings_a_slip(code: str, audience: str) -> None:
    words = language(code, audience)
    texts = {f.clause(step / 300, raises, words) for f in FEATURES for step in range(301) for raises in (True, False)}
    assert len(texts) > 4000
    slips = (*(GERMAN_SLIPS if code == "de" else NUMBER_SLIPS), r"[{}\[\]|#_]")
    for slip in map(re.compile, (*slips, *(NEVER_TO_A_LEARNER if audience == "learner" else ()))):
        assert not [text for text in texts if slip.search(text)], slip.pattern


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_learner_reads_one_sentence_with_a_next_step(code: str) -> None:
    step = {"en": "your next step: ", "de": "dein nächster Schritt: "}[code]
    for level in (0.0, 0.3, 0.5, 0.7, 1.0):
        for some in (FEATURE_NAMES, FEATURE_NAMES[:15], FEATURE_NAMES[15:25], ()):
            found = asked(dict.fromkeys(some, level))
            said = str(reworded(found, language(code, "learner"))["reasoning"])
            assert said.count(step) == 1, said
            assert said.endswith(".")
            assert ". " not in said
            assert said[0].isupper()
            assert not re.search(r"\d+ %", said.split(step)[1]), "a step is no figure"


def test_what_goes_well_stands_first_and_the_strongest_reason_gives_the_step() -> None:
    found = asked({"prerequisite_gap_count": 1.0, "retention_score": 0.9, "answers_of_history": 0.7})
    assert reworded(found, language("en", "learner"))["reasoning"] == (
        "This is going well: you remember 90 % of this course;"
        " your next step: go over the prerequisites of this objective first."
    )
    assert reworded(found, language("de", "learner"))["reasoning"] == (
        "Das läuft gut: Du hast 90 % dieses Kurses behalten;"
        " dein nächster Schritt: Geh zuerst die Voraussetzungen für dieses Lernziel durch."
    )
    assert reworded(found, language("de", "teacher"))["reasoning"] == (
        "Hohes Risiko für Schwierigkeiten (84 %): Keine der angegebenen Voraussetzungen wird beherrscht (0 %)."
    )


def test_what_goes_well_may_be_something_that_the_model_does_not_look_at() -> None:
    rules = StrugglePredictionModel()
    for known, said in (
        ({"recent_accuracy": 0.8}, "This is going well: we estimate that 80 % of your recent answers are right; "),
        ({"answers_of_history": 0.5}, "You have made a start: you have given 44 answers so far; "),
    ):
        features = FeatureVector.of({"prerequisite_gap_count": 1.0, **known}, 0)
        found = answer("a", "b", features, rules.predict(features))
        assert str(reworded(found, language("en", "learner"))["reasoning"]).startswith(said)


def test_the_same_words_are_made_of_an_answer_as_of_its_prediction() -> None:
    """English by way of the answer is the English that was there before: nothing that sentences need is left out."""
    again = Language("en", "teacher", ENGLISH.plural, ENGLISH.thousands, {**ENGLISH.messages, **advice_in_english()})
    rng, models = random.Random(19), (StrugglePredictionModel.load("models/pretrained.pkl"), StrugglePredictionModel())
    for count in range(200):
        known = {name: rng.choice((None, 0.0, 1.0, rng.random(), rng.random())) for name in FEATURE_NAMES}
        missing = tuple(Unmastered(f"o{n}", f"objective {n} {{n}}", rng.random() / 2) for n in range(count % 30))
        features = FeatureVector.of(known, 0)
        features.unmastered = missing
        found: Any = answer("a", "b", features, models[count % 2].predict(features))
        other: Any = reworded(found, again)
        assert other["reasoning"] == found["reasoning"]
        assert [each["text"] for each in other["factors"]] == [each["text"] for each in found["factors"]]


def test_advice_is_said_as_it_was_made() -> None:
    again = Language("en", "teacher", ENGLISH.plural, ENGLISH.thousands, {**ENGLISH.messages, **advice_in_english()})
    for kind in KINDS:
        for basis in SAID:
            made = Advice(Change(kind, "o", name="{did} {probability}"), 0.2, 0.1, basis)
            assert advice_text(made.to_dict(), again) == made.text


def advice_in_english() -> dict[str, Any]:
    return {key: message for key, message in messages_for("teacher").items() if key.startswith("advice_")}


def test_every_feature_has_a_step_for_the_learner() -> None:
    named = [feature for features in learner.STEPS.values() for feature in features]
    assert sorted(named) == sorted(FEATURE_NAMES)
    assert learner.STEPS.keys() <= learner.MESSAGES.keys()


def test_other_words_change_words_alone() -> None:
    found = asked({"prerequisite_gap_count": 1.0, "validation_score": 0.38})
    for code, audience in OTHERS:
        other: Any = reworded(found, language(code, audience))
        changed = {name for name in found if other[name] != found[name]}
        assert changed == ({"language"} if code != "en" else set()) | (
            {"audience"} if audience == "learner" else set()
        ) | {"reasoning", "factors"}
        for factor, was in zip(other["factors"], found["factors"], strict=True):
            assert factor["stored_text"] == was["text"]
            assert {**factor, "text": was["text"], "stored_text": ""} == {**was, "stored_text": ""}
    assert reworded(found, ENGLISH) == found


def test_why_there_are_no_records_is_said_in_the_language() -> None:
    for code, sentence in SENTENCES.items():
        found: Any = asked({}, degraded=sentence)
        other: Any = reworded(found, language("de", "teacher"))
        assert other["degraded_code"] == code
        assert other["degraded"] == language("de", "teacher").messages[f"degraded_{code}"]
        assert other["degraded"].rstrip(".")[4:] in other["reasoning"]
        assert other["features"]["degraded"] == sentence


@pytest.mark.parametrize("given", ["de", "DE", "de-AT", "de_CH", "de_DE.UTF-8", "de_DE@euro", " de "])
def test_german_is_known_by_every_name_of_it(given: str) -> None:
    assert language_named(given) == "de"


@pytest.mark.parametrize(
    "given", ["", "d", "deu", "german", "fr", "de;", "de/..", "../de", "de-<b>", "C", "POSIX", "\0"]
)
def test_other_names_are_unknown(given: str) -> None:
    assert language_named(given) is None


def test_the_features_in_a_catalogue_are_those_of_the_vector() -> None:
    told = {key.partition(".")[0] for key in messages_for("teacher") if "." in key}
    assert told == {feature.name for feature in FEATURES}


def asked(known: dict[str, float], degraded: str = "") -> dict[str, Any]:
    features = FeatureVector.of(known, 0, degraded)
    model = StrugglePredictionModel.load("models/pretrained.pkl")
    return answer("a", "b", features, model.predict(features))


def test_what_is_to_be_worked_on_next_is_not_praised() -> None:
    """Of two prerequisites one is not mastered: a mean mastery of 67 % is good, but the next step is about them."""
    factors = [
        Factor("prerequisite_gap_count", 0.5, 0.41, "one prerequisite is open"),
        Factor("prerequisite_mastery_gap", 0.33, -0.28, "you master 67 % of the prerequisites"),
        Factor("retention_score", 0.87, -0.05, "you remember 87 % of this course"),
    ]
    words = language("en", "learner")
    told = learner.encouragement(factors, "", "", words)
    assert told == (
        "This is going well: you remember 87 % of this course; your next step: go over the prerequisites of this"
        " objective first."
    )
