"""Numbers as people write them."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun in the singular or the plural, and commas between thousands.

    >>> counted(1, "learner"), counted(11991, "learner"), counted(0, "database's table", "tables")
    ('1 learner', '11,991 learners', '0 tables')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
