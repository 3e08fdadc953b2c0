"""A request to predict.py, and the answers for which no learner's records are read."""

from __future__ import annotations

import os
import sys
import time

import db
from db.errors import DatabaseUnavailable, UnknownLearner
from ml.answer import answer, failure
from ml.deadline import within
from ml.features.vector import FeatureVector
from ml.places import AUDIENCE, LANGUAGE, setting
from scripts.cli.exits import BUG, ending
from scripts.cli.streams import place_of, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Protocol

    from db import StudyRows
    from db.url import Origin
    from ml.language import Language
    from ml.model import StrugglePredictionModel
    from ml.study.history import Window
    from scripts.cli.what_if import WhatIf

    class Records(Protocol):
        """An open database from which one prediction is made; db.client.Client is one."""

        @property
        def origin(self) -> Origin: ...
        @property
        def label(self) -> str: ...
        @property
        def of_rows(self) -> dict[object, object] | None: ...
        def read(self, user_id: str, objective_id: str, as_of_ms: int | None, window: Window) -> StudyRows: ...
        def __enter__(self) -> Records: ...
        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None: ...


TIMEOUT_S = 4.0
"""Below the route's own five seconds: an exec() that gives up leaves its child running."""


class Request:
    """One call: the two ids verbatim, and the options. as_of_ms None means the database client's now.

    language, audience: those of the answer's sentences; None means the environment's, else English for a teacher.
    what_if: what is to be supposed before the prediction. began: when the deadline's seconds started to count, on
    time.monotonic's clock; None means now. remark: what a person should be told about the database that was read.
    on_demo: whether it is the demo because nobody named another. warning: what a person should be told about the
    arguments. say: tells a person one sentence. records: the open database of a process that answers many requests;
    None opens one for this request. within: does the work, and keeps the deadline.
    """

    def __init__(self, user_id: str, objective_id: str, began: float | None = None) -> None:
        self.user_id = in_utf8(user_id)
        self.objective_id = in_utf8(objective_id)
        self.database_url: str | None = None
        self.env_file: str | None = None
        self.demo = False
        self.schema = setting("STRUGGLE_SCHEMA")
        self.model: str | None = None
        self.correct_from: str | None = None
        self.language: str | None = None
        self.audience: str | None = None
        self.as_of_ms: int | None = None
        self.given_features: Callable[[], Mapping[str, object]] | None = None
        self.what_if: Callable[[], WhatIf] | None = None
        self.timeout_s = TIMEOUT_S
        self.began = time.monotonic() if began is None else began
        self.strict = False
        self.pretty = False
        self.as_json = False
        self.doctor = False
        self.say: Callable[[str], object] = say
        self.records: Records | None = None
        self.within: Callable[[float, Callable[[], dict[str, object]]], dict[str, object]] = within
        self.remark = ""
        self.on_demo = False
        self.warning = ""


def opened(request: Request) -> Records:
    """The database that the request names, else the one that the environment names, else the demo."""
    if request.records is not None:
        return request.records
    return db.connect(
        request.database_url, schema_path=request.schema, env_file=request.env_file, timeout_s=request.timeout_s
    )


def predict_from_features(request: Request, model: StrugglePredictionModel) -> dict[str, object]:
    """Does only the last steps, on features that the caller has computed; no database is opened."""
    given = request.given_features() if request.given_features is not None else {}
    features = FeatureVector.from_dict(given, moment_ms(request))
    return answer(request.user_id, request.objective_id, features, model.predict(features))


def predict_by_default(request: Request, model: StrugglePredictionModel, code: str, why: str) -> dict[str, object]:
    """The answer when the learner's rows cannot be read: it rests on neutral features, and says why.

    code is one of ml.study.degraded's, for readers of the answer; why names the host or the file, for readers of
    stderr.
    """
    if request.strict:
        raise DatabaseUnavailable(why, code)
    request.say(f"default features: {why} {request.warning}".rstrip())
    features = FeatureVector.of({}, moment_ms(request), degraded=sentence_of(code))
    return answer(request.user_id, request.objective_id, features, model.predict(features))


def failed(error: Exception, to_an_unknown_learner: str = "") -> tuple[int, str, dict[str, object]]:
    """What becomes of a request that has no answer: the exit code, the cause for stderr, and the JSON object.

    to_an_unknown_learner: what is added to the cause where no learner has the id.
    """
    code, name = ending(error)
    message = str(error) if code != BUG else f"internal error ({place_of(error)})"
    if isinstance(error, UnknownLearner):
        message += to_an_unknown_learner
    public = sentence_of(error.code) if isinstance(error, DatabaseUnavailable) else message
    return code, message, failure(name, public)


def sentence_of(code: str) -> str:
    """Why there are no features, in a sentence for readers of the answer.

    It is imported here because few answers need it.
    """
    from ml.study.degraded import SENTENCES

    return SENTENCES[code]


def words_of(request: Request) -> Language | None:
    """The language and the reader that the request names, else the environment; None is English for a teacher.

    Where the environment names an unknown one, the request's warning says so.
    """
    language, audience = request.language or setting(LANGUAGE), request.audience or setting(AUDIENCE)
    if not (language or audience):
        return None
    from ml.wording.choice import chosen  # what is stored, and most of what is shown, does without

    words, doubt = chosen(language, audience)
    request.warning = " ".join(filter(None, (request.warning, doubt)))
    return words


def in_words_of(words: Language, response: dict[str, object]) -> dict[str, object]:
    """The answer in other words, which few callers ask for."""
    from ml.wording.rewording import reworded

    return reworded(response, words)


def in_utf8(word: str) -> str:
    """Decodes an argument's bytes as UTF-8, which is what callers write, even if the locale says otherwise."""
    if sys.getfilesystemencoding() == "utf-8":
        return word
    return os.fsencode(word).decode("utf-8", "surrogateescape")


def moment_ms(request: Request) -> int:
    """The moment of the prediction where there is no database client to ask."""
    return request.as_of_ms if request.as_of_ms is not None else time.time_ns() // 1_000_000
