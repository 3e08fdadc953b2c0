"""Which language, and which reader: the names that callers use, and what they name."""

from __future__ import annotations

from importlib import import_module

from ml.language import ENGLISH, GENERAL, Language, one_or_more
from ml.places import AUDIENCE, LANGUAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LANGUAGES = ("en", "de")
AUDIENCES = ("teacher", "learner")
_THOUSANDS = {"en": ",", "de": "."}
_MADE: dict[tuple[str, str], Language] = {("en", "teacher"): ENGLISH}


def language_named(name: str) -> str | None:
    """The code of a language that is written as an IETF tag or as a locale; None where there is no such catalogue.

    >>> [language_named(name) for name in ("de", "DE", "de-AT", "de_DE.UTF-8", "en_GB", "fr", "deutsch", "")]
    ['de', 'de', 'de', 'de', 'en', None, None, None]
    """
    code, _, rest = name.strip().lower().replace("_", "-").replace(".", "-").replace("@", "-").partition("-")
    return code if code in LANGUAGES and rest.replace("-", "").isalnum() | (rest == "") else None


def audience_named(name: str) -> str | None:
    """ "teacher" or "learner", however it is capitalised; None for any other name."""
    known = name.strip().lower()
    return known if known in AUDIENCES else None


def chosen(language_name: str | None, audience_name: str | None) -> tuple[Language, str]:
    """The language that settings name, and what to tell a person where a name is unknown; English for a teacher then.

    >>> chosen("tlh", "learner")[1]
    'STRUGGLE_LANGUAGE names no known language, so the answer is in English; known are en and de.'
    """
    code, audience = language_named(language_name or "en"), audience_named(audience_name or "teacher")
    doubts = []
    if code is None:
        doubts.append(
            f"{LANGUAGE} names no known language, so the answer is in English; known are {' and '.join(LANGUAGES)}."
        )
    if audience is None:
        doubts.append(
            f"{AUDIENCE} names no known reader, so the answer is for a teacher; known are {' and '.join(AUDIENCES)}."
        )
    return language(code or "en", audience or "teacher"), " ".join(doubts)


def language(code: str, audience: str) -> Language:
    """The language of a code among LANGUAGES, for a reader among AUDIENCES."""
    if (code, audience) not in _MADE:
        table = import_module(f"ml.wording.compiled.{code}_{audience}")
        _MADE[code, audience] = Language(
            code, audience, plural_rule(table.PLURAL), _THOUSANDS[code], {**GENERAL, **table.MESSAGES}
        )
    return _MADE[code, audience]


def plural_rule(expression: str) -> Callable[[int], int]:
    """The rule that gettext writes as an expression of C."""
    if expression == "(n != 1)":
        return one_or_more
    from gettext import c2py  # what gettext itself reads its catalogues by

    return c2py(expression)
