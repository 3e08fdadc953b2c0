"""Every text that an answer can show is the one on record, and reads as people write."""

from __future__ import annotations

import re

import pytest

from ml.features.vector import FEATURES
from tests.features_page import PAGE, with_section
from tests.golden_sentences import GOLDEN, lines

REGENERATE = (
    "words have changed: python -m tests.golden_sentences > tests/golden_sentences.txt, and read the difference"
)
WRITTEN = GOLDEN.read_text(encoding="utf-8").splitlines()
FOR_TEACHERS = WRITTEN[: WRITTEN.index("== en, learner")]
"""The English of the code; tests/ml/test_wording.py has rules for the others."""


def test_every_sentence_is_the_one_on_record() -> None:
    assert list(lines()) == WRITTEN, REGENERATE


NUMBER_SLIPS = (
    r"(?<![\d,])1 (?!earlier|other)\w+s ",  # a plural after one
    r"(?<![\d,.])([02-9]|\d{2,}) (answer|visit|day|hour|objective|percentage point|learner) ",
    r"(?<![\d,])1 (earlier visits|other (answers|learners)) ",
    r"(?<![\d,.])([02-9]|\d{2,}) (earlier visit|other (answer|learner)) ",
    r"(?<!\d)\d{4,} ",  # 1200 is written 1,200
)
SLIPS = (
    *NUMBER_SLIPS,
    r"\d\.\d+ (?!%|either|raises|lowers)",
    r"(none|all) of (all|none|other|their)\b",
    r"\bonly (0|less|more|none|all|no)\b",
    r"\b(\w+) \1\b",  # a word twice
    r"[#{}|\[\]]",
    r"\bNone\b|\bnan\b",
)
"""What no text may match, whatever its number."""


@pytest.mark.parametrize("slip", SLIPS)
def test_no_text_has_a_slip_of_number_or_grammar(slip: str) -> None:
    texts = [line.partition("   ")[2].strip() if re.match(r"  [\d.]", line) else line for line in FOR_TEACHERS]
    found = [text for text in texts if re.search(slip, text)]
    assert not found


@pytest.mark.slow
def test_no_value_at_all_brings_a_slip() -> None:
    texts = {
        feature.clause(step / 300, raises) for feature in FEATURES for step in range(301) for raises in (True, False)
    }
    assert len(texts) > 5000
    for slip in map(re.compile, SLIPS):
        assert not [text for text in texts if slip.search(text)], slip.pattern


def test_the_page_on_features_says_what_the_records_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_section(page) == page, "features have changed: python -m tests.features_page"
