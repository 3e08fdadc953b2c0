"""The platform's own fifteen features, in the order in which a vector has them.

Their names and one line on each come from the platform; ml/features/platform.py and context.py compute them.
"""

from __future__ import annotations

from ml.features.feature import (
    BELOW,
    EXAM_HORIZON_DAYS,
    FULL_DAY_ANSWERS,
    FULL_DAY_MINUTES,
    FULL_DAY_NEW_CARDS,
    FULL_WORKLOAD,
    MONTH_DAYS,
    NAMED_MORE,
    NAMED_ONE,
    NAMED_TWO,
    SAID,
    Feature,
    counted,
    days,
    days_ahead,
    rest,
    share,
)

BASIC, INTERMEDIATE, ADVANCED = "basic", "intermediate", "advanced"


def _level(value: float) -> tuple[str, float]:
    return (BASIC if value < 0.45 else INTERMEDIATE if value < 0.75 else ADVANCED), value


PLATFORM_FEATURES = (
    Feature(
        "retention_score",
        neutral=0.5,
        direction=-1,
        meaning="mean retention in the objective's course over the last 30 days",
        unit="share",
        ends="0 = nothing is retained, 1 = everything is",
        source="`performance_metrics.retentionScore`. Where there is none, the share of the course's answers that were"
        " correct stands in for it (GOOD and EASY, or as STRUGGLE_CORRECT_FROM says).",
        subject="retention",
        amount=share,
        sentence="retention in this course is [+only ]{share}",
        missing="retention in this course",
    ),
    Feature(
        "retention_decline_rate",
        neutral=0.0,
        direction=+1,
        meaning="fall of the retention in the objective's course within the last 30 days",
        unit="difference of two shares",
        ends="0 = retention is stable or rising, 1 = it fell from full to none",
        source="The older half of those 30 days less the newer half, as a share. It is no slope per day, and a rise is"
        " not negative. At least six measurements are needed.",
        subject="decline",
        amount=share,
        sentence="retention in this course has fallen by {points} within the last month",
        at_0="retention in this course has not fallen within the last month",
        missing="how retention in this course has changed within the last month",
    ),
    Feature(
        "review_lapse_rate",
        neutral=0.0,
        direction=+1,
        meaning="share of AGAIN among the answers on the objective",
        unit="share of answers",
        ends="0 = no answer was AGAIN, 1 = every answer was",
        source="The learner's own answers on the objective. The card's `lapseCount` counts everybody's lapses on a"
        " shared card; it is used only where the objective is the learner's own and no answer is on record.",
        subject="own answers",
        amount=share,
        sentence="[-only ]{share} of the answers on this objective were rated AGAIN",
        at_0="none of the answers on this objective were rated AGAIN",
        at_1="all of the answers on this objective were rated AGAIN",
        missing="how the answers on this objective were rated",
    ),
    Feature(
        "session_performance_score",
        neutral=0.5,
        direction=-1,
        meaning="share of correct answers in recent sessions",
        unit="share of answers",
        ends="0 = every answer was wrong, 1 = every answer was correct",
        source="The last five runs of answers without a gap over an hour, worked out from `reviews`; rows of"
        " `study_sessions` are not asked. `sessionPerformanceScore`, which the app keeps from 0 to 100, is divided by"
        " 100 and used only where no answers are on record.",
        subject="session",
        amount=share,
        sentence="performance in recent sessions was [+only ]{share}",
        missing="performance in recent sessions",
    ),
    Feature(
        "validation_score",
        neutral=0.5,
        direction=-1,
        meaning="mean of the recent validation scores, on the objective before its course",
        unit="mean score",
        ends="0 = every score was 0, 1 = every score was full",
        source="The newest five scores on the objective, else ten of its course. Skipped prompts do not count.",
        subject="validation",
        amount=share,
        sentence="recent validation scores average [+only ]{share}",
        missing="recent validation scores",
    ),
    Feature(
        "prerequisite_gap_count",
        neutral=0.0,
        direction=+1,
        meaning="share of the stated prerequisites that are not mastered",
        unit="share of prerequisites",
        ends="0 = all of them are mastered, 1 = none of them is",
        source="`objective_prerequisites`; a mastery below 0.7 counts as unmastered. A share, in spite of its name; not"
        " a number of prerequisites. `masteryLevel` speaks for the owner only; another learner's mastery, and one"
        " still at NOT_STARTED, is read off that learner's answers. `strength` does not weigh.",
        subject="prerequisites",
        amount=rest,
        sentence={
            SAID: "[+only ]{share} of the stated prerequisites are mastered",
            NAMED_ONE: "{first} is not mastered ({first_share})",
            NAMED_TWO: "{first} ({first_share}) and {second} ({second_share}) are not mastered",
            NAMED_MORE: ("{first} ({first_share}), {second} ({second_share}) and {n} more are not mastered",) * 2,
        },
        at_0="all of the stated prerequisites are mastered (100 %)",
        at_1="none of the stated prerequisites is mastered (0 %)",
        missing="prerequisites of this objective",
    ),
    Feature(
        "prerequisite_mastery_gap",
        neutral=0.0,
        direction=+1,
        meaning="mean lack of mastery of the stated prerequisites",
        unit="1 minus the mean mastery",
        ends="0 = all of them are fully mastered, 1 = none of them is mastered at all",
        source="`objective_prerequisites`, with the mastery that `prerequisite_gap_count` goes by.",
        subject="prerequisites",
        amount=rest,
        sentence={
            SAID: "mean mastery of the stated prerequisites is [+only ]{share}",
            NAMED_ONE: "mean mastery of the stated prerequisites is {share} ({first} is not mastered)",
            NAMED_TWO: "mean mastery of the stated prerequisites is {share} ({first} and {second} are not mastered)",
            NAMED_MORE: (
                "mean mastery of the stated prerequisites is {share} ({first}, {second} and {n} more are not mastered)",
            )
            * 2,
        },
        missing="mastery of any prerequisites of this objective",
    ),
    Feature(
        "content_complexity",
        neutral=0.5,
        direction=+1,
        meaning="complexity of the material",
        unit="level",
        ends="BASIC 0.3, INTERMEDIATE 0.6, ADVANCED 0.9",
        source="`learning_objectives.complexity`, as the platform has it.",
        subject="level",
        amount=_level,
        sentence={
            BASIC: "the material is basic (complexity {share})",
            INTERMEDIATE: "the material is intermediate (complexity {share})",
            ADVANCED: "the material is advanced (complexity {share})",
        },
        missing="how complex the material is",
    ),
    Feature(
        "complexity_mismatch",
        neutral=0.0,
        direction=+1,
        meaning="demands of the objective above the learner's level",
        unit="difference of two levels",
        ends="0 = the objective is not above the learner's level, 1 = it is as far above as can be",
        source="Where other learners' answers tell how hard the objective is: how much likelier than not this learner"
        " is to answer wrong. Else complexity minus the learner's level in the course. It never falls below 0.",
        subject="level",
        amount=share,
        sentence="the material is above the learner's level (by {points})",
        at_0="the material is not above the learner's level",
        missing="how the material compares with the learner's level",
    ),
    Feature(
        "historical_struggle_score",
        neutral=0.0,
        direction=+1,
        meaning="past struggle in the objective's course",
        unit="weighted share",
        ends="0 = there is no sign of struggle, 1 = every sign is one of struggle",
        source="Visits, recorded outcomes and `weaknessScore`, weighed; a weight of one is added to the divisor, so"
        " that little evidence cannot reach 1. A FORGETTING_CURVE or STRUGGLE_TOPIC pattern counts only where its"
        " `patternData` names the course, by `courseId` or `topicArea`. The app's own FORGETTING_CURVE rows hold `R0`,"
        " `k`, `halfLife` and `deviation` and no course, so they do not count.",
        subject="struggle",
        amount=share,
        sentence="struggle accounts for [-only ]{share} of the earlier work in this course",
        at_0="earlier work in this course shows no sign of struggle",
        missing="struggle or success in earlier work in this course",
    ),
    Feature(
        "content_type_mismatch",
        neutral=0.0,
        direction=+1,
        meaning="mismatch between the format of recent material and the learner's preferences",
        unit="1 minus the mean rating relative to the best",
        ends="0 = all of it is what the learner likes best, 1 = none of it is liked at all",
        source="`behavioral_events.contentType` against the profile's `contentPreferences`, else its"
        " `learningStyleProfile`. The app's CONTENT_TYPE_PREFERENCE patterns are not read.",
        subject="format",
        amount=share,
        sentence="the mismatch between recent material's format and the learner's preferences is [-only ]{share}",
        at_0="recent material's format matches the learner's preferences",
        missing="how the format of recent material suits the learner",
    ),
    Feature(
        "cognitive_load_indicator",
        neutral=0.0,
        direction=+1,
        meaning="study load of the last 24 hours",
        unit="share of a full day",
        ends=f"0 = no study, 1 = {FULL_DAY_ANSWERS} answers, {FULL_DAY_MINUTES // 60} hours or {FULL_DAY_NEW_CARDS} new"
        " cards, or more",
        source="The fullest of those three, from `reviews` and `study_sessions`. The app's"
        " `cognitive_load_metrics.loadScore` is not read.",
        subject="load",
        amount=share,
        sentence="the study load of the last 24 hours was [-only ]{share} of a full day",
        at_0="no study is on record for the last 24 hours",
        at_1="the study load of the last 24 hours was a full day or more",
        missing="study by which to judge the load of the last 24 hours",
    ),
    Feature(
        "days_until_exam",
        neutral=0.0,
        direction=+1,
        meaning="urgency of the next exam on the course",
        unit=f"1 less the days left out of {EXAM_HORIZON_DAYS}",
        ends=f"0 = {EXAM_HORIZON_DAYS} days or more away, or no exam; 1 = today",
        source="Urgency, in spite of its name: it falls as the days grow. An exam counts where it is on the objective's"
        " course or its `coverageTopics` name it; one dated at midnight lasts that whole day.",
        subject="exam",
        amount=days_ahead,
        sentence={
            BELOW: "the next exam is less than a day away",
            SAID: ("the next exam is {n} day away", "the next exam is {n} days away"),
        },
        at_0=f"no exam on this course is less than {EXAM_HORIZON_DAYS} days away",
        at_1="the next exam is today",
        missing="an exam",
    ),
    Feature(
        "days_since_last_study",
        neutral=0.5,
        direction=+1,
        meaning="time since the objective's course was last studied",
        unit=f"days out of {MONTH_DAYS}",
        ends=f"0 = just now, 1 = {MONTH_DAYS} days or more ago",
        source="A share of 30 days, not a number of days. Of the course, not of the objective alone; from `reviews` and"
        " `performance_metrics`.",
        subject="gap",
        amount=days,
        sentence={
            BELOW: "this course was last studied less than a day ago",
            SAID: ("this course was last studied {n} day ago", "this course was last studied {n} days ago"),
        },
        at_1=f"this course was last studied {MONTH_DAYS} or more days ago",
        missing="when this course was last studied",
    ),
    Feature(
        "workload_level",
        neutral=0.0,
        direction=+1,
        meaning="objectives that are pending in missions",
        unit=f"objectives out of {FULL_WORKLOAD}",
        ends=f"0 = none, 1 = {FULL_WORKLOAD} or more",
        source="Objectives of missions that are PENDING or IN_PROGRESS, each counted once however many missions name"
        " it; entries marked `completed` do not count.",
        subject="workload",
        amount=counted(FULL_WORKLOAD),
        sentence=(
            "[-only ]{n} objective is pending in missions",
            "[-only ]{n} objectives are pending in missions",
        ),
        at_0="no objectives are pending in missions",
        at_1=f"{FULL_WORKLOAD} or more objectives are pending in missions",
        missing="missions",
    ),
)
