"""Reports say of each risk level, in counts of ten, what became of those who had it."""

from __future__ import annotations

import numpy as np

from ml.evaluation.figures import evaluate
from ml.evaluation.of_ten import of_each_level, sentences
from ml.study.scales import Levels


def test_each_level_is_told_as_people_count() -> None:
    p = np.repeat([0.8, 0.5, 0.1], 1000)
    y = np.concatenate([np.arange(1000) % 10 < of_ten for of_ten in (8, 5, 1)]).astype(float)
    who = np.arange(3000) // 7
    assert of_each_level(y, p, who) == [
        "of 10 at HIGH risk, about 2 did not struggle (95 %: 1 to 3; 1,000 judged)",
        "of 10 at MEDIUM risk, about 5 struggled (95 %: 4 to 6; 1,000 judged)",
        "of 10 at LOW risk, about 1 struggled (95 %: 0 to 2; 1,000 judged)",
    ]
    other = of_each_level(y, p, who, Levels(0.05, 0.45, 0.5))
    assert [each.split(" risk")[0] for each in other] == ["of 10 at HIGH", "of 10 at MEDIUM"]
    assert "2,000 judged" in other[0]


def test_a_level_without_an_interval_is_not_told() -> None:
    assert list(sentences([("HIGH", evaluate([1.0, 1.0], np.array([0.9, 0.8]), ["a", "a"], bootstrap=0))])) == []
    assert of_each_level([], np.zeros(0), []) == []
