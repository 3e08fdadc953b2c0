"""Any rows a database might hold, sensible or not, for property tests: study(**rows) of what ROWS draws."""

from __future__ import annotations

from hypothesis import strategies as st

from db.reading.rows import CardRow, EventRow, MetricRow, MissionRow, PatternRow, ReviewRow, SessionRow, ValidationRow
from ml.study.history import DAY_MS
from tests.support.history_builder import AS_OF_MS, LEARNER, exam, mastery, objective, outcome, prerequisite, profile

ODD_NUMBERS = st.one_of(
    st.none(), st.floats(), st.floats(-0.5, 1.5), st.integers(-5, 500), st.just(10**400), st.booleans()
)
INSTANTS = st.integers(AS_OF_MS - 60 * DAY_MS, AS_OF_MS + 10 * DAY_MS)
NAMES = st.sampled_from(["objective", "prerequisite", "another", None])
COURSES = st.sampled_from(["course", "elsewhere", None])
WORDS = st.one_of(
    st.sampled_from(["AGAIN", "HARD", "GOOD", "EASY", "BASIC", "ADVANCED", "MASTERED", "VIDEO"]), st.text(max_size=5)
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["visual", "reading", "courseId", "topicArea", "objectiveId", "objective", "id", "x"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)
REVIEWS = st.lists(
    st.builds(
        ReviewRow,
        card_id=st.sampled_from("abc"),
        objective_id=NAMES,
        course_id=COURSES,
        rating=WORDS,
        reviewed_at_ms=INSTANTS,
        order_only=st.just(False),
    ),
    max_size=30,
)
ROWS = st.fixed_dictionaries(
    {
        "reviews": REVIEWS,
        "metrics": st.lists(
            st.builds(MetricRow, st.sampled_from(["objective", "another"]), COURSES, INSTANTS, ODD_NUMBERS),
            max_size=9,
        ),
        "sessions": st.lists(
            st.builds(SessionRow, INSTANTS, st.none() | INSTANTS, *[st.none() | st.integers(-9, 9**9)] * 2), max_size=5
        ),
        "validations": st.lists(st.builds(ValidationRow, NAMES, COURSES, ODD_NUMBERS, INSTANTS), max_size=6),
        "patterns": st.lists(
            st.builds(
                PatternRow, st.sampled_from(["STRUGGLE_TOPIC", "FORGETTING_CURVE", "?"]), JSON, ODD_NUMBERS, INSTANTS
            ),
            max_size=4,
        ),
        "events": st.lists(
            st.builds(EventRow, INSTANTS, st.none() | st.integers(-9, 10**400), st.none() | WORDS),
            max_size=5,
        ),
        "missions": st.lists(
            st.builds(MissionRow, INSTANTS, st.sampled_from(["PENDING", "COMPLETED", None]), JSON),
            max_size=4,
        ),
        "exams": st.lists(
            st.builds(exam, st.floats(-99, 99), COURSES, st.lists(st.text(max_size=3), max_size=2)), max_size=3
        ),
        "outcomes": st.lists(
            st.builds(outcome, st.booleans(), st.floats(-5, 50), st.just("another"), COURSES), max_size=5
        ),
        "masteries": st.lists(st.builds(mastery, st.just("another"), st.none() | WORDS, COURSES), max_size=3),
        "prerequisites": st.lists(
            st.builds(
                prerequisite,
                st.sampled_from(["prerequisite", "objective"]),
                st.none() | WORDS,
                st.sampled_from([LEARNER, None]),
            ),
            max_size=3,
        ),
        "cards": st.lists(
            st.builds(CardRow, st.just("c"), st.none(), *[st.none() | st.integers(-9, 99)] * 2), max_size=3
        ),
        "profile": st.none() | st.builds(profile, JSON, visual=ODD_NUMBERS, reading=ODD_NUMBERS),
        "faced": st.builds(
            objective,
            complexity=st.none() | WORDS,
            level=st.none() | WORDS,
            owner=st.sampled_from([LEARNER, None]),
            course=COURSES,
            weakness=ODD_NUMBERS,
            last_studied_at_ms=st.none() | INSTANTS,
        ),
        "is_now": st.booleans(),
    }
)

DATED = {
    "reviews": "reviewed_at_ms",
    "metrics": "date_ms",
    "sessions": "started_at_ms",
    "validations": "responded_at_ms",
    "patterns": "last_seen_at_ms",
    "events": "timestamp_ms",
    "outcomes": "recorded_at_ms",
}


def without_the_future(rows: dict[str, object]) -> dict[str, object]:
    """The same rows as they stood just before AS_OF_MS: later ones gone, sessions still running unfinished."""
    earlier = dict(rows)
    for source, instant in DATED.items():
        earlier[source] = [row for row in rows[source] if getattr(row, instant) < AS_OF_MS]
    earlier["sessions"] = [
        row._replace(completed_at_ms=None, duration_ms=None, new_cards_studied=None)
        if (row.completed_at_ms or 0) >= AS_OF_MS
        else row
        for row in earlier["sessions"]
    ]
    return earlier
