"""An objective's name in a sentence: its text on one line, harmless to terminals and pages, and cut between letters."""

from __future__ import annotations

import itertools

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from db.reading.rows import PrerequisiteRow
from ml.features.build import features_of_all
from ml.features.vector import FEATURE_NAMES, FEATURES, FeatureVector
from ml.language import ENGLISH
from ml.scoring.prediction import MOST_OBJECTIVES, factors_of, reasoning_of
from ml.study.objective_names import LONGEST_NAME, Unmastered, cleaned, name_of, unmastered_of
from ml.study.scales import probability_of
from ml.wording.choice import language
from tests.support.history_builder import OBJECTIVE, answers, objective, study

UNSEEN = (
    "\x00\x07\x1b\x7f\x85\x9b\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e"
    "\u2066\u2067\u2068\u2069\ufeff\ud800\U000e0041"
)
JOINED = (
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "e\u0301",
    "\U0001f44d\U0001f3fd",
    "\U0001f1e9\U0001f1ea",
    "\u0e01\u0e33",
    "\u1112\u1161\u11ab",
    "क्षि",
)
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from(UNSEEN + "\r\n\t")), max_size=300)
LETTERS = st.lists(st.sampled_from([*JOINED, "a", "ß", " ", "字"]), max_size=120).map("".join)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example("\x1b]0;title\x07name\x1b[31mred\x1b[0m")
@example("\u200d\u200c")
@example("a" + "\u0301" * 500)
def test_a_name_is_one_short_line_that_moves_no_cursor(text: str) -> None:
    name = cleaned(text)
    assert len(name) <= LONGEST_NAME
    assert name == name.strip()
    assert all(each.isprintable() or each in "\u200c\u200d" for each in name)
    assert not set(name) & set(UNSEEN)
    assert cleaned(name) == name or "." in name  # each full stop at the end goes singly
    assert name_of(text, "objective-1") in (name, "objective-1")


@settings(max_examples=400, deadline=None)
@given(LETTERS, st.integers(2, 100))
def test_a_cut_falls_between_what_people_see_as_letters(text: str, longest: int) -> None:
    name = cleaned(text, longest)
    whole = cleaned(text, 10_000)
    if name == whole:
        return
    kept = name.removesuffix("…")
    clusters = regex.findall(r"\X", whole)
    if len(clusters[0]) < longest:  # else the first letter itself is too long
        assert kept in {"".join(clusters[:count]).rstrip() for count in range(len(clusters))}
    assert len(name) <= longest


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Membrane transport", "Membrane transport"),
        ("  Membrane\r\n\ttransport.  ", "Membrane transport"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil.example\x07link\x1b]8;;\x07", "link"),
        ("\x9b2Jgone", "gone"),
        ("right\u202eto left", "rightto left"),
        ("a\x00b\ud800c", "abc"),
        ("one\u2028two\u00a0three", "one two three"),
        ("<b>bold</b> & =1+1", "<b>bold</b> & =1+1"),  # pages escape it, and terminals show it
        ("and so on...", "and so on..."),
        ("x" * 100, "x" * 79 + "…"),
        ("word " * 40, ("word " * 16)[:79].rstrip() + "…"),
    ],
)
def test_what_is_shown_of_a_text(text: str, name: str) -> None:
    assert cleaned(text) == name


def test_an_objective_without_a_text_goes_by_its_id() -> None:
    for text in (None, "", " \n", "\u200d", "\x1b[2J"):
        assert name_of(text, "membrane-transport") == "membrane-transport"
    assert name_of("\x00", "\x1b") == r"'\x1b'"


def named(count: int) -> tuple[Unmastered, ...]:
    names = ("membrane transport", "the Nernst equation", *map("objective {}".format, range(3, count + 1)))
    return tuple(Unmastered(f"id-{place}", name, 0.1 * min(place, 6)) for place, name in enumerate(names[:count]))


def factor_texts(unmastered: tuple[Unmastered, ...], contribution: float) -> list[str]:
    known = {"prerequisite_gap_count": 0.5, "prerequisite_mastery_gap": 0.6}
    features = FeatureVector.of(known, 0)
    features.unmastered = unmastered
    parts = [contribution * (name in known) for name in FEATURE_NAMES]
    factors = factors_of(features, parts, 0.0, probability_of(2 * contribution))
    assert all(len(factor.objectives) == len(unmastered) for factor in factors)
    return [reasoning_of(0.9 if contribution > 0 else 0.1, factors), *(factor.text for factor in factors)]


def test_a_reason_names_at_most_two_prerequisites_and_counts_the_others() -> None:
    reasoning, share, mean = factor_texts(named(1), 1.0)
    assert share == "membrane transport is not mastered (0 %)"
    assert reasoning == f"High risk of struggling (90 %): {share}."
    assert mean == "mean mastery of the stated prerequisites is 40 % (membrane transport is not mastered)"
    _, share, _ = factor_texts(named(2), 1.0)
    assert share == "membrane transport (0 %) and the Nernst equation (10 %) are not mastered"
    for count in (3, 5):
        _, share, mean = factor_texts(named(count), 1.0)
        more = f"and {count - 2} more are not mastered"
        assert share == f"membrane transport (0 %), the Nernst equation (10 %) {more}"
        assert mean.endswith(f" is 40 % (membrane transport, the Nernst equation {more})")


def test_a_reason_for_a_lower_risk_does_not_speak_of_what_is_not_mastered() -> None:
    reasoning, share, _ = factor_texts(named(3), -1.0)
    assert share == "50 % of the stated prerequisites are mastered"
    assert reasoning == f"Low risk of struggling (10 %): {share}."


def test_a_name_that_is_nearly_a_sentence_stands_in_quotation_marks() -> None:
    assert ENGLISH.name("the Nernst equation") == "the Nernst equation"
    assert ENGLISH.name('Say "why" it works') == "\"Say 'why' it works\""
    assert language("de", "teacher").name("Was heißt „Ruhe“ im Neuron?") == "„Was heißt \u201aRuhe\u2018 im Neuron?“"
    text = factor_texts((Unmastered("a", "Explain {n} and {first} at length", 0.0),), 1.0)[1]
    assert text == '"Explain {n} and {first} at length" is not mastered (0 %)'


def test_the_least_mastered_prerequisites_come_first_and_mastered_ones_are_not_named() -> None:
    stated = [PrerequisiteRow(name, None, None, name.upper()) for name in ("a", "b", "c", "d")]
    found = unmastered_of(stated, [0.5, 0.7, 0.2, 0.5])
    assert [each.to_dict() for each in found] == [
        {"id": "c", "name": "C", "mastery": 0.2},
        {"id": "a", "name": "A", "mastery": 0.5},
        {"id": "d", "name": "D", "mastery": 0.5},
    ]


def test_features_carry_the_names_of_their_own_objective() -> None:
    known = PrerequisiteRow("known", None, None, "Known")
    history = study(
        faced=objective(OBJECTIVE),
        prerequisites=[PrerequisiteRow("other", None, None, "Other"), known, PrerequisiteRow(OBJECTIVE, None, None)],
        reviews=answers("GGGGG", 3, "known"),
    )
    alone, (features,) = study(faced=objective(OBJECTIVE)), features_of_all([history], None)
    assert [each.objective_id for each in features.unmastered] == ["other"]
    assert features.marked_with("m", "model").without(["ability"]).unmastered == features.unmastered
    assert features_of_all([alone], None)[0].unmastered == ()
    assert "Other" not in str(features.to_dict())


def test_the_json_of_a_factor_is_bounded() -> None:
    many = named(50)
    features = FeatureVector.of({"prerequisite_gap_count": 1.0}, 0)
    features.unmastered = many
    (factor,) = factors_of(features, [float(each.name == "prerequisite_gap_count") for each in FEATURES], 0.0, 0.7)
    listed = factor.to_dict()["objectives"]
    assert isinstance(listed, list)
    assert len(listed) == MOST_OBJECTIVES
    assert factor.text.endswith("and 48 more are not mastered")


def test_every_word_of_a_clause_stays_in_its_place() -> None:
    """No place is left open, whatever feature names whichever objectives."""
    for feature, count in itertools.product(FEATURES, (1, 2, 3, 4)):
        if feature.names(named(count)):
            assert not set("{}[]") & set(feature.clause_naming(0.5, named(count)))
