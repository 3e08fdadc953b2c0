#!/usr/bin/env python3
"""Will this learner struggle with this objective?  `predict.py USER_ID OBJECTIVE_ID` prints one JSON object."""

# No `from __future__`: it would be the first import, and might be another's file (scripts/cli/starting.py).
import os
import sys
import time

BEGAN = time.monotonic()  # the route's deadline counts from here: under load the imports below may take a second

if __name__ == "__main__":  # before the imports below, which take half of a prediction's time
    BY_NAME = __spec__ is not None  # python -m predict
    if BY_NAME or sys.flags.safe_path:  # else the directory that ml and db lie in is the first
        sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # which may have been called by a link's name
    from scripts.cli.starting import begin

    begin(BY_NAME)

from db import errors as database
from ml import errors
from ml.answer import answer
from ml.deadline import DeadlinePassed
from ml.extractor import StruggleFeatureExtractor
from ml.json_text import dumps
from ml.model import StrugglePredictionModel, load
from ml.study.history import WINDOW, StudyHistory
from ml.study.occasion import occasion_of
from scripts.cli.exits import DONE, INPUT_OUTPUT, Usage
from scripts.cli.request import (
    Request,
    failed,
    in_words_of,
    opened,
    predict_by_default,
    predict_from_features,
    words_of,
)
from scripts.cli.streams import keep_stderr_free, place_of, say, stdout_is_open, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__version__ = "1.0.0"


def predict(request: Request, model: StrugglePredictionModel) -> dict[str, object]:
    """The whole way: ids -> rows -> StudyHistory -> FeatureVector -> Prediction -> one JSON object."""
    wished = None if request.what_if is None else request.what_if()
    model.difficulty_at(request.as_of_ms)  # opened at once: what must not be used is refused whatever the database does
    with opened(request) as records:
        request.remark, request.on_demo = records.origin.told(records.label), records.origin.is_demo_by_default
        rows = records.read(request.user_id, request.objective_id, request.as_of_ms, WINDOW)
    history = StudyHistory.before(rows, model.correct_from, records.of_rows)
    difficulty = model.difficulty_at(rows.as_of_ms)
    estimates, features = StruggleFeatureExtractor(records, difficulty, model.correct_from).studied(history)
    if features.degraded:
        request.remark = f"default features: {features.degraded}"
    prediction = model.predict(features)
    occasion = occasion_of(history.past, history.objective)
    if wished is not None and estimates is not None:
        from scripts.cli.what_if import answer_after  # for people who try something; the route does not

        return answer_after(
            (request.user_id, request.objective_id), wished, model, history, estimates, features, rows.missing_sources
        )
    advice = model.advise(prediction, history, estimates, features, rows.missing_sources)
    change = model.change(rows.earlier, features, prediction)
    ids = request.user_id, request.objective_id
    return answer(*ids, features, prediction, rows.missing_sources, occasion, advice, change)


def respond(request: Request) -> dict[str, object]:
    """One answer whatever happens to the database; raised is only what the caller must mend."""
    model = load(request.model, request.correct_from)
    if model.instead:
        request.say(model.instead)
    return respond_with(model, request)


def respond_with(model: StrugglePredictionModel, request: Request) -> dict[str, object]:
    """The same by a model that has been read already."""
    words = words_of(request)
    response = respond_in_english(model, request)
    return response if words is None else in_words_of(words, response)


def respond_in_english(model: StrugglePredictionModel, request: Request) -> dict[str, object]:
    """The answer as it is stored: in English, for a teacher."""
    way = predict if request.given_features is None else predict_from_features
    try:
        left_s = max(0.0, request.began + request.timeout_s - time.monotonic())
        response = request.within(left_s, lambda: way(request, model))
    except (database.UnknownLearner, database.UnknownObjective, database.RequiredTableAbsent) as error:
        raise type(error)(f"{error} {request.remark}." if request.on_demo else str(error)) from None
    except (database.DatabaseConfiguration, errors.PredictorError, Usage):
        raise
    except database.DatabaseUnavailable as error:
        return predict_by_default(request, model, error.code, str(error))
    except DeadlinePassed as error:
        return predict_by_default(request, model, "deadline", str(error))
    except Exception as error:
        return predict_by_default(
            request, model, "extraction_failed", f"features cannot be extracted ({place_of(error)})"
        )
    if request.remark or request.warning:
        request.say(". ".join(filter(None, (request.remark, request.warning))))
    return response


def main(
    argv: "Sequence[str] | None" = None,
    began: float | None = None,
    called: str = "predict.py",
    to_a_person: bool = False,
) -> int:
    """Exactly two arguments are the ids, never parsed; any other list has options. Exit codes: scripts/cli/exits.py.

    began: when the deadline started to count, on time.monotonic's clock; None means now. called: the command's name.
    to_a_person: whether words are wanted instead of JSON, unless an option asks for JSON.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not stdout_is_open():
        return INPUT_OUTPUT
    keep_stderr_free()
    code, pretty, warning, encoding = DONE, False, "", "ascii"
    try:
        request = Request(argv[0], argv[1], began) if len(argv) == 2 else parse(argv, called)
        pretty, warning = request.pretty, request.warning
        to_a_person = to_a_person and not request.as_json
        response, code = examine(request) if request.doctor else (respond(request), DONE)
        text, encoding = in_words(response) if to_a_person else (dumps(response), encoding)
        if request.doctor and warning:
            say(warning)
    except Exception as error:
        looks_like_option = len(argv) == 2 and argv[0].startswith("--")
        code, message, printed = failed(error, " Two arguments are always the two ids." if looks_like_option else "")
        say(f"{message} {warning}" if warning else message)
        if to_a_person and (len(argv) == 2 or "--json" not in argv):
            return code  # the sentence is enough
        text = dumps(printed)
    return code if write(indented(text) if pretty else text, encoding) else INPUT_OUTPUT


def parse(argv: "Sequence[str]", called: str) -> Request:
    """The options; click is imported only here, so that the route's two arguments do not pay for it."""
    from scripts.cli.predict_options import parse_request

    return parse_request(argv, __version__, called)


def examine(request: Request) -> tuple[dict[str, object], int]:
    """--doctor: what a person on call asks first."""
    from scripts.cli.doctor import examine

    return examine(request)


def in_words(response: dict[str, object]) -> tuple[str, str]:
    """The answer for a person, and the encoding of the terminal."""
    from scripts.cli.answer_in_words import on_the_terminal

    return on_the_terminal(response)


def indented(text: str) -> str:
    """--pretty."""
    import json

    return json.dumps(json.loads(text), indent=2)


if __name__ == "__main__":
    os._exit(main(began=BEGAN))  # nothing is left to clean up, and a thread may be left behind at the deadline
