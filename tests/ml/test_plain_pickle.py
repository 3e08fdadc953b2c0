"""What the reader of plain pickles refuses, and the reason it gives (what it reads: tests/ml/test_model_file.py)."""

from __future__ import annotations

import pytest

from ml.storage.plain_pickle import NotPlain, loads


@pytest.mark.slow
@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "the pickle is damaged"),
        (b"\x80\x05N.", "the pickle is not of protocol 4"),
        (b"\x80\x04N.N", "the pickle is not one whole value"),
        (b"\x80\x04NN.", "the pickle is not one whole value"),
        (b"\x80\x04(N.", "the pickle is not one whole value"),
        (b"\x80\x04C\x09ab.", "the pickle is cut short"),
        (b"\x80\x04e.", "the pickle closes what it never opened"),
        (b"\x80\x04NNa.", "the pickle appends to something that is not a list"),
        (b"\x80\x04N\x8c\x01kNs.", "the pickle sets an item of something that is not a dict"),
        (b"\x80\x04}NNs.", "a key of the pickle is not text"),
        (b"\x80\x04}(\x8c\x01ku.", "a key of the pickle has no value"),
        (b"\x80\x04}(NNu.", "a key of the pickle is not text"),
        (b"\x80\x04cos\nsystem\n.", "opcode 0x63 at byte 2 does not belong to a plain builtin"),
    ],
)
def test_what_is_no_plain_pickle_is_refused_with_the_reason(octets: bytes, said: str) -> None:
    with pytest.raises(NotPlain) as refused:
        loads(octets)
    assert str(refused.value) == said
