"""Every query, written once for both databases (db/sql/templates.py says how to read them).

The newest rows are selected by LIMIT in the innermost SELECT, before any join. The loader reverses them: all sources
are returned oldest first.
"""

from __future__ import annotations

from db.reading.newest_rows import AT, PerLearner, Repeating
from db.sql.templates import Template

_LECTURE = "LEFT JOIN {l} ON {l.id} = {o.lectureId}"
_LECTURE_AND_COURSE = _LECTURE + " LEFT JOIN {c} ON {c.id} = {l.courseId}"
_OWNER = "COALESCE({l.userId:text}, {c.userId:text})"

DEMO_CLOCK = Template("DemoClock", ("{d.now:ms}",), "FROM {d}")

_LEARNER = (
    "{u.id:text}",
    "{u.includeInAnalytics}",
    "{u.performanceTrackingEnabled}",
    "{u.behavioralAnalysisEnabled}",
)
LEARNER = Template("User", _LEARNER, "FROM {u} WHERE {u.id} = {given:learner}")
LEARNERS = Template("User", _LEARNER, "FROM {u} WHERE {u.id:among} ORDER BY {u.id}")

FIRST_LEARNERS = Template("User", ("{u.id:text}",), "FROM {u} ORDER BY {u.id} LIMIT {given:limit}")
NEXT_LEARNERS = Template(
    "User", ("{u.id:text}",), "FROM {u} WHERE {u.id} > {given:after} ORDER BY {u.id} LIMIT {given:limit}"
)
REVIEW_COUNTS = Template(
    "Review", ("{r.userId:text}", "count(*)"), "FROM {r} WHERE {r.userId:among} GROUP BY {r.userId}"
)

_OBJECTIVE = (
    "{o.id:text}",
    "{o.complexity:text}",
    "{o.masteryLevel:text}",
    "{o.weaknessScore}",
    "{o.lastStudiedAt:ms}",
    _OWNER,
    "{l.courseId:text}",
    "{c.name:words}",
    "{l.topicTags}",
)
OBJECTIVE = Template(
    "LearningObjective", _OBJECTIVE, "FROM {o} " + _LECTURE_AND_COURSE + " WHERE {o.id} = {given:objective}"
)
OBJECTIVES = Template("LearningObjective", _OBJECTIVE, "FROM {o} " + _LECTURE_AND_COURSE + " WHERE {o.id:among}")
FIRST_OBJECTIVES = Template("LearningObjective", ("{o.id:text}",), "FROM {o} ORDER BY {o.id} LIMIT {given:limit}")
NEXT_OBJECTIVES = Template(
    "LearningObjective", ("{o.id:text}",), "FROM {o} WHERE {o.id} > {given:after} ORDER BY {o.id} LIMIT {given:limit}"
)

_STRONGEST = "{w.strength} DESC NULLS LAST, {w.prerequisiteId:byte_order}"
_PREREQUISITE = ("{o.id:text}", "{o.masteryLevel:text}", _OWNER, "{o.objective:words}", "{l.courseId:text}")
PREREQUISITES = Template(
    "ObjectivePrerequisite",
    _PREREQUISITE,
    "FROM (SELECT {w:columns} FROM {w} WHERE {w.objectiveId} = {given:objective}"
    f" ORDER BY {_STRONGEST} LIMIT {{given:limit}}) AS w"
    f" JOIN {{o}} ON {{o.id}} = {{w.prerequisiteId}} {_LECTURE_AND_COURSE} ORDER BY {_STRONGEST}",
)
PREREQUISITES_OF_MANY = Template(
    "ObjectivePrerequisite",
    ("{w.objectiveId:text}", *_PREREQUISITE),
    f'FROM (SELECT {{w:columns}}, row_number() OVER (PARTITION BY {{w.objectiveId}} ORDER BY {_STRONGEST}) AS "__nth"'
    " FROM {w} WHERE {w.objectiveId:among}) AS w JOIN {o} ON {o.id} = {w.prerequisiteId} "
    + _LECTURE_AND_COURSE
    + ' WHERE w."__nth" <= {given:limit} ORDER BY w."__nth"',
)

_CARD = ("{k.id:text}", "{k.nextReviewAt:ms}", "{k.lapseCount}", "{k.reviewCount}")
# The way over the course is the one that the app's indexes serve.
CARDS = Template(
    "Card",
    _CARD,
    "FROM {o} JOIN {l} ON {l.id} = {o.lectureId} JOIN {k} ON {k.courseId} = {l.courseId}"
    " WHERE {o.id} = {given:objective} AND {k.objectiveId} = {given:objective}"
    " ORDER BY {k.id:byte_order} LIMIT {given:limit}",
)
CARDS_OF_MANY = Template(
    "Card",
    ("{k.objectiveId:text}", *_CARD),
    "FROM {k} JOIN {o} ON {o.id} = {k.objectiveId} JOIN {l} ON {l.id} = {o.lectureId} AND {l.courseId} = {k.courseId}"
    " WHERE {k.courseId} IN (SELECT {l.courseId} FROM {o} JOIN {l} ON {l.id} = {o.lectureId} WHERE {o.id:among})"
    " AND {k.objectiveId:among} ORDER BY {k.id:byte_order}",
)

REVIEWS = Repeating(
    "Review",
    "r",
    ("{r.cardId:text}", "{k.objectiveId:text}", "{k.courseId:text}", "{r.rating:text}", AT, "{r.sessionId:order_only}"),
    "reviewedAt",
    joins="LEFT JOIN {k} ON {k.id} = {r.cardId}",
    described=2,
)

METRICS = Repeating(
    "PerformanceMetric",
    "m",
    ("{m.learningObjectiveId:text}", "{l.courseId:text}", AT, "{m.retentionScore}"),
    "date",
    joins="LEFT JOIN {o} ON {o.id} = {m.learningObjectiveId} " + _LECTURE,
    described=1,
)

SESSIONS = PerLearner(
    "StudySession",
    "s",
    (AT, "{s.completedAt:ms}", "{s.durationMs}", "{s.newCardsStudied}"),
    "startedAt",
    selects_first=True,  # an instant takes SQLite as long as the rest of a row
)

VALIDATIONS = PerLearner(
    "ValidationResponse",
    "v",
    ("{q.objectiveId:text}", "{l.courseId:text}", "{v.score}", AT),
    "respondedAt",
    where=" AND NOT {v.skipped:true}",
    joins="LEFT JOIN {q} ON {q.id} = {v.promptId} LEFT JOIN {o} ON {o.id} = {q.objectiveId} " + _LECTURE,
)

PATTERNS = PerLearner(
    "BehavioralPattern", "p", ("{p.patternType:text}", "{p.patternData:document}", "{p.confidence}", AT), "lastSeenAt"
)

EVENTS = PerLearner(
    "BehavioralEvent",
    "e",
    (AT, "{e.sessionPerformanceScore}", "{e.contentType:text}"),
    "timestamp",
)

EXAMS = PerLearner("Exam", "x", ("{x.courseId:text}", AT, "{x.coverageTopics}"), "date", dated=False)
"""The exams nearest to as_of, before and after it."""

MISSIONS = PerLearner(
    "Mission",
    "n",
    (AT, "{n.status:text}", "{n.objectives:document}", "{n.id:text}"),
    "date",
    dated=False,
)

RECORDED = PerLearner(
    "StrugglePrediction",
    "g",
    ("{g.id:text}", "{g.learningObjectiveId:text}", "{l.courseId:text}", "{g.actualOutcome}", AT),
    "actualOutcomeRecordedAt",
    where=" AND {g.actualOutcome} IS NOT NULL",
    joins="LEFT JOIN {o} ON {o.id} = {g.learningObjectiveId} " + _LECTURE,
)
"""Outcomes by the platform's automatic rule."""

ANSWERED = PerLearner(
    "PredictionFeedback",
    "h",
    ("{h.predictionId:text}", "{g.learningObjectiveId:text}", "{l.courseId:text}", "{h.actualStruggle}", AT),
    "submittedAt",
    where=" AND {h.actualStruggle} IS NOT NULL",
    joins="JOIN {g} ON {g.id} = {h.predictionId} LEFT JOIN {o} ON {o.id} = {g.learningObjectiveId} " + _LECTURE,
)
"""The learner's own word on earlier predictions."""

_EARLIER = ("{g.predictedAt:ms}", "{g.predictedStruggleProbability}", "{g.featureVector:document}")
EARLIER = Template(
    "StrugglePrediction",
    _EARLIER,
    "FROM (SELECT {g.id} AS id FROM {g} WHERE {g.userId} = {given:learner} AND {g.learningObjectiveId:faced}"
    " ORDER BY {g.predictedAt:unindexed_newest}, {g.id:byte_order} LIMIT {given:limit}) AS newest"
    " JOIN {g} ON {g.id} = newest.id ORDER BY {g.predictedAt:newest}, {g.id:byte_order}",
)
"""The newest stored predictions for one learner and objective, of whatever moment: a row holds its earlier states."""
EARLIER_OF_MANY = Template(
    "StrugglePrediction",
    ("made.learner", "made.objective", "made.at", "made.probability", "made.features"),
    "FROM (SELECT {g.userId:text} AS learner, {g.learningObjectiveId:text} AS objective, {g.predictedAt:ms} AS at,"
    " {g.predictedStruggleProbability} AS probability, {g.featureVector:document} AS features, row_number() OVER"
    " (PARTITION BY {g.userId}, {g.learningObjectiveId} ORDER BY {g.predictedAt:unindexed_newest}, {g.id:byte_order})"
    " AS nth FROM {g} WHERE {g.userId:among}) AS made WHERE made.nth <= {given:limit} ORDER BY made.nth",
)

_PROFILE = ("{f.learningStyleProfile:document}", "{f.contentPreferences:document}")
PROFILE = Template("UserLearningProfile", _PROFILE, "FROM {f} WHERE {f.userId} = {given:learner} LIMIT 1")
PROFILES = Template("UserLearningProfile", ("{f.userId:text}", *_PROFILE), "FROM {f} WHERE {f.userId:among}")

MASTERIES = Template(
    "LearningObjective",
    ("{o.id:text}", "{l.courseId:text}", "{o.masteryLevel:text}"),
    "FROM {l} JOIN {o} ON {o.lectureId} = {l.id} WHERE {l.id} IN ("
    "SELECT {l.id} FROM {l} WHERE {l.userId} = {given:learner} UNION "
    "SELECT {l.id} FROM {c} JOIN {l} ON {l.courseId} = {c.id}"
    " WHERE {c.userId} = {given:learner} AND {l.userId} IS NULL)"
    " ORDER BY {o.lastStudiedAt:newest}, {o.id:byte_order} LIMIT {given:limit}",
)
MASTERIES_OF_MANY = Template(
    "LearningObjective",
    ("own.learner", "own.objective", "own.course", "own.mastery"),
    "FROM (SELECT held.learner, {o.id:text} AS objective, {l.courseId:text} AS course,"
    " {o.masteryLevel:text} AS mastery, row_number() OVER (PARTITION BY held.learner"
    " ORDER BY {o.lastStudiedAt:newest}, {o.id:byte_order}) AS nth FROM ("
    "SELECT {l.userId:text} AS learner, {l.id} AS lecture FROM {l} WHERE {l.userId:among} UNION "
    "SELECT {c.userId:text}, {l.id} FROM {c} JOIN {l} ON {l.courseId} = {c.id}"
    " WHERE {c.userId:among} AND {l.userId} IS NULL"
    ") AS held JOIN {l} ON {l.id} = held.lecture JOIN {o} ON {o.lectureId} = {l.id}) AS own"
    " WHERE own.nth <= {given:limit} ORDER BY own.learner, own.nth",
)

TOPIC = Template(
    "LearningObjective",
    ("{o.id:text}", _OWNER),
    "FROM {l} LEFT JOIN {c} ON {c.id} = {l.courseId} JOIN {o} ON {o.lectureId} = {l.id}"
    " WHERE {l.courseId:text} = {given:topic} OR {c.name:text} = {given:topic} OR {l.topicTags:tagged}"
    " ORDER BY {o.id:byte_order}",
)

FEEDBACK = Template(
    "PredictionFeedback",
    (
        "{h.id:text}",
        "{h.predictionId:text}",
        "{h.userId:text}",
        "{g.learningObjectiveId:text}",
        "{g.featureVector:text}",
        "{h.actualStruggle}",
        "{h.submittedAt:ms}",
        "{h.feedbackType:text}",
        "{g.predictionStatus:text}",
        "{g.interventionApplied}",
        "{g.predictedStruggleProbability}",
    ),
    "FROM {h} JOIN {g} ON {g.id} = {h.predictionId} WHERE {h.submittedAt:since}"
    " ORDER BY {h.submittedAt:oldest}, {h.id:byte_order}",
)
