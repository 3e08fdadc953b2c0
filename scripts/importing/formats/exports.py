"""EdNet KT1, pyKT's files, Moodle's quiz reports, xAPI statements, and the platform's own tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from scripts.importing.answers import MalformedLog
from scripts.importing.formats.format import Format, first_present, has, merged, stem
from scripts.importing.mapping import Mapping, Wishes
from scripts.importing.reading.sheet import Row, Sheet, is_absent
from scripts.importing.values import number

EDNET_COLUMNS = ("timestamp", "question_id", "user_answer")
PYKT_COLUMNS = ("fold", "uid", "concepts", "responses")
PYKT_ROW = ("user_id", "question", "concept", "response", "timestamp", "usetime")


def questions_of(sheet: Sheet) -> dict[str, tuple[str, str]]:
    """EdNet's questions: id -> the right answer and the tags. Raises MalformedLog."""
    question, right, tags = (sheet.place(name) for name in ("question_id", "correct_answer", "tags"))
    return {values[question]: (values[right], values[tags]) for _, values in sheet.rows}


def ednet_answers(sheet: Sheet, questions: dict[str, tuple[str, str]], learner: str | None = None) -> Sheet:
    """The answers of EdNet with what the questions say; the learner is in the file's name, such as u17.csv."""
    question, given = sheet.place("question_id"), sheet.place("user_answer")
    name = first_present(sheet.columns, "user_id")
    place = sheet.place(name) if name else None
    of_file = learner or stem(sheet.file)

    def rows() -> Iterator[Row]:
        for line, values in sheet.rows:
            right, tags = questions.get(values[question], ("", ""))
            answer = values[given].strip()
            correct = "" if not right or is_absent(answer) else str(int(answer == right.strip()))
            named = of_file if place is None else values[place]
            yield line, [*values, named, correct, "" if tags.strip() == "-1" else tags]

    return sheet._replace(columns=(*sheet.columns, "(learner)", "(correct)", "(tags)"), rows=rows())


def _ednet(columns: Sequence[str]) -> Mapping:
    return Mapping(
        merged(
            {
                "user_id": "(learner)",
                "item_id": "question_id",
                "timestamp": "timestamp",
                "correct": "(correct)",
                "skill_id": "(tags)",
                "time_spent_ms": first_present(columns, "elapsed_time"),
            }
        ),
        time_unit="ms",
        skill_separator=";",
    )


EDNET = Format("ednet", "EdNet KT1", has(*EDNET_COLUMNS), _ednet)


def pykt_rows(sheet: Sheet, _wishes: Wishes) -> Sheet:
    """A row per answer, from a row per learner (or per stretch of two hundred answers); -1 pads a stretch."""
    if tuple(sheet.columns) == PYKT_ROW:
        return sheet
    places = {name: place for place, name in enumerate(sheet.columns)}

    def rows() -> Iterator[Row]:
        for line, values in sheet.rows:

            def listed(name: str, values: Sequence[str] = values) -> list[str]:
                return values[places[name]].split(",") if name in places else []

            for row in pykt_answers(line, values[places["uid"]], *map(listed, _LISTS)):
                yield line, row

    return sheet._replace(columns=PYKT_ROW, rows=rows())


_LISTS = ("questions", "concepts", "responses", "timestamps", "usetimes", "is_repeat")


def pykt_answers(
    line: int,
    learner: str,
    questions: list[str],
    concepts: list[str],
    responses: list[str],
    times: list[str],
    spent: list[str],
    is_repeat: Sequence[str] = (),
) -> Iterator[list[str]]:
    """The answers of one sequence. Raises MalformedLog where the lists have different lengths."""
    lists = [_or_none(each) for each in (questions, concepts, responses, times, spent)]
    length = len(responses)
    if any(each is not None and len(each) != length for each in lists):
        raise MalformedLog(line, f"the lists of learner {learner[:40]!r} do not have the same length")
    asked, met, right, at, took = lists
    if right is None:
        return
    waiting: list[str] | None = None
    for nth in range(length):
        if right[nth].strip() == "-1":
            continue
        concept = met[nth].strip() if met else ""
        item = asked[nth] if asked else f"concept {concept}"
        # An answer of several concepts is one row for each of them, of which is_repeat marks all but the first.
        if waiting is not None and nth < len(is_repeat) and is_repeat[nth].strip() == "1":
            waiting[2] += f"_{concept}"
            continue
        if waiting is not None:
            yield waiting
        waiting = [learner, item, concept, right[nth], at[nth] if at else "", took[nth] if took else ""]
    if waiting is not None:
        yield waiting


def _or_none(values: list[str]) -> list[str] | None:
    return None if not values or (len(values) == 1 and is_absent(values[0])) else values


def pykt_text(sheet: Sheet) -> Sheet:
    """pyKT's data.txt: six lines per learner (id and length, questions, concepts, answers, times, response times).

    sheet: one column, which holds a whole line.
    """

    def rows() -> Iterator[Row]:
        six: list[list[str]] = []
        first = 0
        for line, values in sheet.rows:
            first = first if six else line
            six.append(values[0].strip().split(","))
            if len(six) == 6:
                heading, *lists = six
                if len(heading) != 2 or len(lists[2]) != (number(heading[1]) or 0):
                    raise MalformedLog(first, "is not a learner's id and the number of the answers that follow")
                for row in pykt_answers(first, heading[0], *lists):
                    yield first, row
                six = []
        if six:
            raise MalformedLog(first, "a learner has six lines, and the last one has fewer")

    return sheet._replace(columns=PYKT_ROW, rows=rows())


def _pykt(_columns: Sequence[str]) -> Mapping:
    return Mapping(
        {
            "user_id": ("user_id",),
            "item_id": ("question",),
            "timestamp": ("timestamp",),
            "correct": ("response",),
            "skill_id": ("concept",),
            "time_spent_ms": ("usetime",),
        },
        skill_separator="_",
        may_lack_times=True,
    )


PYKT = Format(
    "pykt",
    "pyKT's files",
    lambda columns: has(*PYKT_COLUMNS)(columns) or tuple(columns) == PYKT_ROW,
    _pykt,
    pykt_rows,
)

_MARK = re.compile(r"(?:Q\. ?|F\. ?|Question )([0-9]+) ?/ ?([0-9.,]+)", re.IGNORECASE)
_RESPONSE, _RIGHT = re.compile(r"Response ([0-9]+)"), re.compile(r"Right answer ([0-9]+)")
_STARTED, _ENDED = ("Started", "Started on"), ("Completed", "Finished")
_NAMES = ("Email address", "ID number", "Username")
_FAMILY, _GIVEN = ("Last name", "Surname"), ("First name",)
MOODLE_ROW = ("learner", "question", "time", "credit", "quiz")


def _knows_moodle(columns: Sequence[str]) -> bool:
    is_marked = any(_MARK.fullmatch(name) for name in columns)
    numbers = {found.group(1) for name in columns if (found := _RIGHT.fullmatch(name))}
    is_answered = any((found := _RESPONSE.fullmatch(name)) and found.group(1) in numbers for name in columns)
    named = any(name in columns for name in (*_NAMES, *_FAMILY, *_GIVEN))
    return named and (is_marked or is_answered) and any(name in columns for name in (*_STARTED, *_ENDED))


def _moodle_answers(sheet: Sheet, _wishes: Wishes) -> Sheet:
    """A row per question of an attempt, from a row per attempt; a question that was not answered is left out."""
    columns = sheet.columns
    marks = [
        (place, found.group(1), number(found.group(2).replace(",", ".")))
        for place, name in enumerate(columns)
        if (found := _MARK.fullmatch(name))
    ]
    right = {found.group(1): place for place, name in enumerate(columns) if (found := _RIGHT.fullmatch(name))}
    responses = [
        (place, found.group(1))
        for place, name in enumerate(columns)
        if (found := _RESPONSE.fullmatch(name)) and found.group(1) in right
    ]
    learner = first_present(columns, *_NAMES)
    names = [name for name in (first_present(columns, *_GIVEN), first_present(columns, *_FAMILY)) if name]
    who = [sheet.place(learner)] if learner else [sheet.place(name) for name in names]
    when = [sheet.place(name) for name in (*_ENDED, *_STARTED) if name in columns]
    quiz = _quiz_of(sheet.file)

    def rows() -> Iterator[Row]:
        for line, values in sheet.rows:
            person = " ".join(values[place].strip() for place in who).strip()
            at = next((values[place] for place in when if not is_absent(values[place]) and values[place] != "-"), "")
            if not person or not at:
                continue  # the report's last lines are averages; an attempt that was not handed in has no marks
            for place, question, most in marks:
                share = number(values[place].strip().replace(",", "."))
                if share is not None and most:
                    yield line, [person, f"{quiz} / {question}", at, str(min(max(share / most, 0), 1)), quiz]
            if not marks:
                for place, question in responses:
                    given, expected = values[place].strip(), values[right[question]].strip()
                    if not is_absent(given) and given != "-" and expected:
                        correct = given.casefold() == expected.casefold()
                        yield line, [person, f"{quiz} / {question}", at, str(int(correct)), quiz]

    return sheet._replace(columns=MOODLE_ROW, rows=rows())


def _quiz_of(file: str) -> str:
    return re.sub(r"[-_ ]?(grades|responses|overview)$", "", stem(file), flags=re.IGNORECASE) or "quiz"


def _moodle(_columns: Sequence[str]) -> Mapping:
    return Mapping(
        {
            "user_id": ("learner",),
            "item_id": ("question",),
            "timestamp": ("time",),
            "correct": ("credit",),
            "skill_id": ("quiz",),
        },
        expects_instants=True,
    )


MOODLE = Format("moodle", "Moodle quiz report", _knows_moodle, _moodle, _moodle_answers)

XAPI_ROW = ("statement", "learner", "activity", "time", "credit", "skill", "duration")
_ACTORS = ("actor.account.name", "actor.mbox", "actor.mbox_sha1sum", "actor.openid", "actor.name")
_SKILLS = ("parent", "grouping", "category")


def _xapi_answers(sheet: Sheet, _wishes: Wishes) -> Sheet:
    """Statements with a result, once each: success, else the scaled score, else the raw one as a share."""
    columns = sheet.columns
    place = {name: at for at, name in enumerate(columns)}

    def value(values: Sequence[str], *names: str) -> str:
        found = (values[place[name]] for name in names if name in place)
        return next((each for each in found if each), "")

    def rows() -> Iterator[Row]:
        for line, values in sheet.rows:
            kind = value(values, "object.objectType")
            if kind not in ("", "Activity") or value(values, "verb.id").endswith("/voided"):
                continue
            activities = [f"context.contextActivities.{each}{index}.id" for each in _SKILLS for index in ("", ".0")]
            yield (
                line,
                [
                    value(values, "id"),
                    value(values, *_ACTORS),
                    value(values, "object.id"),
                    value(values, "timestamp", "stored"),
                    _credit_of(values, value),
                    value(values, *activities, "object.id"),
                    value(values, "result.duration"),
                ],
            )

    return sheet._replace(columns=XAPI_ROW, rows=rows())


def _credit_of(values: Sequence[str], value: Callable[..., str]) -> str:
    success = value(values, "result.success")
    if success:
        return success
    scaled = value(values, "result.score.scaled")
    if scaled:
        share = number(scaled)
        return scaled if share is None else str(max(share, 0))
    raw, least, most = (number(value(values, f"result.score.{name}")) for name in ("raw", "min", "max"))
    if raw is None or most is None or most <= (least or 0):
        return ""
    return str((raw - (least or 0)) / (most - (least or 0)))


def _xapi(_columns: Sequence[str]) -> Mapping:
    return Mapping(
        {
            "user_id": ("learner",),
            "item_id": ("activity",),
            "timestamp": ("time",),
            "correct": ("credit",),
            "skill_id": ("skill",),
            "time_spent": ("duration",),
        },
        spent_unit="iso",
    )


XAPI = Format(
    "xapi",
    "xAPI statements",
    lambda columns: has("verb.id", "object.id")(columns) and any(name in columns for name in _ACTORS),
    _xapi,
    _xapi_answers,
)


def _platform(columns: Sequence[str]) -> Mapping:
    return Mapping(
        merged(
            {
                "user_id": "userId",
                "item_id": "cardId",
                "timestamp": "reviewedAt",
                "rating": "rating",
                "skill_id": first_present(columns, "objectiveId", "learningObjectiveId"),
                "time_spent_ms": first_present(columns, "timeSpentMs"),
            }
        )
    )


PLATFORM = Format(
    "platform",
    "the platform's reviews",
    lambda columns: (
        has("userId", "cardId", "rating", "reviewedAt")(columns)
        and any(name in columns for name in ("objectiveId", "learningObjectiveId"))
    ),
    _platform,
)
