"""In a simulation whose causes are known, advice begins with the cause."""

from __future__ import annotations

from tests.advice.causes import run


def test_a_decisive_prerequisite_is_the_first_advice_for_four_of_five_learners_and_nearly_always_named() -> None:
    found = run(700)
    assert found.decisive > 150
    assert found.not_low > 0.9 * found.decisive
    assert found.first >= 0.8 * found.not_low
    assert found.among >= 0.98 * found.not_low
