"""What monitoring finds in a stored vector without parsing it is what a parser finds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.features.vector import FEATURE_NAMES, FeatureVector
from scripts.monitoring.glance import NOT_RECORDED, NOTHING, UNKNOWN, _found, glance, glance_of, parsed

ASKED = ("degraded", "model_version", "answers_of_history")
FORMS = [(", ", ": "), (",", ":"), (" , ", " : "), (",\n", ":\t")]
NAMES = st.sampled_from([*ASKED, '"degraded":', 'x"degraded": "', "{", "degraded\\", "ability"]) | st.text(max_size=6)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
STORED = st.dictionaries(NAMES, VALUES, max_size=6) | VALUES


@pytest.mark.slow
@given(STORED, st.sampled_from(FORMS), st.booleans())
def test_any_json_tells_what_its_parser_tells(stored: object, form: tuple[str, str], escaped: bool) -> None:
    text = json.dumps(stored, separators=form, ensure_ascii=escaped)
    assert repr(glance(text)) == repr(glance_of(parsed(text)))  # NaN has one repr and no equal


@pytest.mark.slow
@given(st.text(max_size=8), st.text(max_size=8), st.floats(0, 1), st.booleans(), st.sampled_from(FORMS[:2]))
def test_a_vector_as_the_route_stores_it_is_not_parsed(
    degraded: str, version: str, grown: float, sorted_keys: bool, form: tuple[str, str]
) -> None:
    vector = FeatureVector.of(dict.fromkeys(FEATURE_NAMES, grown), 0, degraded).marked_with(version, "model")
    text = json.dumps(vector.to_dict(), separators=form, sort_keys=sorted_keys, ensure_ascii=False)
    expected = (float(bool(degraded)), version or NOT_RECORDED, grown, UNKNOWN)
    assert glance(text) == expected
    if not {"\\", "{"} & set(text[1:]):
        assert _found(text) == expected


@pytest.mark.slow
@given(
    st.sampled_from([",", ", "]),
    st.integers(0, 60),
    st.sampled_from(["answers", "learner", "}", "{", '"degraded":']),
    st.sampled_from([0, 1_760_000_000_000, -3, 1.5, None, "7", 10**15]),
    st.booleans(),
)
def test_a_vector_whose_outcome_was_decided_is_not_parsed_either(
    comma: str, place: int, by: str, visit_ms: object, last: bool
) -> None:
    entries = list(FeatureVector.of({"answers_of_history": 0.5}, 0).marked_with("m", "model").to_dict().items())
    mark = ("outcome", {"by": by, "correct_from": "GOOD", "degraded": "no"})
    visit = ("outcome_visit_ms", visit_ms)
    entries[place:place] = [mark] if last else [visit, mark]
    entries += [visit] * last
    text = json.dumps(dict(entries), separators=(comma, ": "))
    known = visit_ms if visit_ms in (0, 1_760_000_000_000) else UNKNOWN
    assert glance(text) == glance_of(parsed(text)) == (0.0, "m", 0.5, known)
    assert (_found(text) is not None) == (by in ("answers", "learner") and known != UNKNOWN)


@pytest.mark.parametrize("stored", [None, "", "{", "[1, 2]", '"text"', '{"degraded": ""', '{"a": 1}}', "nonsense"])
def test_what_is_no_object_tells_nothing(stored: str | None) -> None:
    assert repr(glance(stored)) == repr(NOTHING)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_makes_no_vector(number: str) -> None:
    text = f'{{"degraded":"", "model_version":"a", "answers_of_history":{number}}}'
    assert repr(glance(text)) == repr(glance_of(parsed(text))) == repr(NOTHING)


VECTOR = '"degraded":"", "model_version":"a", "answers_of_history":0.5'


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (f'{{{VECTOR}, "inner":{{"degraded":"late"}}}}', (0.0, "a", 0.5, UNKNOWN)),
        (f'{{"inner":{{"answers_of_history":0.1}}, {VECTOR}}}', (0.0, "a", 0.5, UNKNOWN)),
        (f'{{{VECTOR}, "said":"\\"degraded\\":"}}', (0.0, "a", 0.5, UNKNOWN)),
        (r'{"degraded":"","model_version":"a\"b","answers_of_history":0.5}', (0.0, 'a"b', 0.5, UNKNOWN)),
    ],
)
def test_names_within_other_things_are_not_taken_for_keys(stored: str, expected: tuple[object, ...]) -> None:
    assert glance(stored) == glance_of(parsed(stored)) == expected


def test_of_equal_keys_the_last_one_counts() -> None:
    text = '{"degraded":"", "model_version":"a", "answers_of_history":0.1, "degraded":"late", "answers_of_history":0.2}'
    assert glance(text) == glance_of(parsed(text)) == (1.0, "a", 0.2, UNKNOWN)
