"""Every query, written once for both databases (db/templates.py says how to read them).

The newest rows are cut off by LIMIT in the innermost SELECT, before any join. The loader turns them round: all
sources are handed on oldest first.
"""

from __future__ import annotations

from db.templates import Template

_LECTURE = "LEFT JOIN {l} ON {l.id} = {o.lectureId}"
_LECTURE_AND_COURSE = _LECTURE + " LEFT JOIN {c} ON {c.id} = {l.courseId}"
_OWNER = "COALESCE({l.userId:text}, {c.userId:text})"

DEMO_CLOCK = Template("DemoClock", ("{d.now:ms}",), "FROM {d}")

LEARNER = Template(
    "User",
    (
        "{u.id:text}",
        "{u.createdAt:ms}",
        "{u.includeInAnalytics}",
        "{u.performanceTrackingEnabled}",
        "{u.behavioralAnalysisEnabled}",
    ),
    "FROM {u} WHERE {u.id} = {given:learner}",
)

OBJECTIVE = Template(
    "LearningObjective",
    (
        "{o.id:text}",
        "{o.objective:text}",
        "{o.complexity:text}",
        "{o.masteryLevel:text}",
        "{o.weaknessScore}",
        "{o.lastStudiedAt:ms}",
        _OWNER,
        "{l.courseId:text}",
        "{c.name:text}",
        "{l.title:text}",
        "{l.topicTags}",
    ),
    "FROM {o} " + _LECTURE_AND_COURSE + " WHERE {o.id} = {given:objective}",
)

PREREQUISITES = Template(
    "ObjectivePrerequisite",
    (
        "{o.id:text}",
        "{o.objective:text}",
        "{o.complexity:text}",
        "{o.masteryLevel:text}",
        _OWNER,
        "{w.strength}",
    ),
    "FROM (SELECT w.* FROM {w} WHERE {w.objectiveId} = {given:objective}"
    " ORDER BY {w.strength} DESC NULLS LAST, {w.prerequisiteId:byte_order} LIMIT {given:limit}) AS w"
    " JOIN {o} ON {o.id} = {w.prerequisiteId} "
    + _LECTURE_AND_COURSE
    + " ORDER BY {w.strength} DESC NULLS LAST, {w.prerequisiteId:byte_order}",
)

CARDS = Template(
    "Card",
    (
        "{k.id:text}",
        "{k.difficulty}",
        "{k.stability}",
        "{k.retrievability}",
        "{k.lastReviewedAt:ms}",
        "{k.nextReviewAt:ms}",
        "{k.lapseCount}",
        "{k.reviewCount}",
    ),
    # The way over the course is the one that the app's indexes serve.
    "FROM {o} JOIN {l} ON {l.id} = {o.lectureId} JOIN {k} ON {k.courseId} = {l.courseId}"
    " WHERE {o.id} = {given:objective} AND {k.objectiveId} = {given:objective}"
    " ORDER BY {k.id:byte_order} LIMIT {given:limit}",
)


def _dated(source: str, columns: tuple[str, ...], alias: str, instant: str, joins: str = "", where: str = "") -> Template:
    """The newest `limit` rows of one learner dated before as_of, with what they are joined to, newest first."""
    order = f"{{{alias}.{instant}:newest}}, {{{alias}.id:byte_order}} DESC"
    return Template(
        source,
        columns,
        f"FROM (SELECT {alias}.* FROM {{{alias}}} WHERE {{{alias}.userId}} = {{given:learner}}"
        f" AND {{{alias}.{instant}:before}}{where} ORDER BY {order} LIMIT {{given:limit}}) AS {alias} {joins}"
        f" ORDER BY {order}",
    )


REVIEWS = _dated(
    "Review",
    (
        "{r.id:text}",
        "{r.cardId:text}",
        "{k.objectiveId:text}",
        "{k.courseId:text}",
        "{r.rating:text}",
        "{r.reviewedAt:ms}",
        "{r.sessionId:text}",
    ),
    "r",
    "reviewedAt",
    "LEFT JOIN {k} ON {k.id} = {r.cardId}",
)

METRICS = _dated(
    "PerformanceMetric",
    (
        "{m.learningObjectiveId:text}",
        "{l.courseId:text}",
        "{m.date:ms}",
        "{m.retentionScore}",
        "{m.reviewCount}",
        "{m.correctReviews}",
        "{m.incorrectReviews}",
    ),
    "m",
    "date",
    "LEFT JOIN {o} ON {o.id} = {m.learningObjectiveId} " + _LECTURE,
)

SESSIONS = _dated(
    "StudySession",
    (
        "{s.startedAt:ms}",
        "{s.completedAt:ms}",
        "{s.durationMs}",
        "{s.reviewsCompleted}",
        "{s.newCardsStudied}",
    ),
    "s",
    "startedAt",
)

VALIDATIONS = _dated(
    "ValidationResponse",
    ("{q.objectiveId:text}", "{l.courseId:text}", "{v.score}", "{v.respondedAt:ms}"),
    "v",
    "respondedAt",
    "LEFT JOIN {q} ON {q.id} = {v.promptId} LEFT JOIN {o} ON {o.id} = {q.objectiveId} " + _LECTURE,
    " AND {v.skipped} IS NOT TRUE",
)

PATTERNS = _dated(
    "BehavioralPattern",
    ("{p.patternType:text}", "{p.patternData:text}", "{p.confidence}", "{p.lastSeenAt:ms}"),
    "p",
    "lastSeenAt",
)

EVENTS = _dated(
    "BehavioralEvent",
    (
        "{e.eventType:text}",
        "{e.timestamp:ms}",
        "{e.sessionPerformanceScore}",
        "{e.engagementLevel:text}",
        "{e.contentType:text}",
    ),
    "e",
    "timestamp",
)

PROFILE = Template(
    "UserLearningProfile",
    (
        "{f.learningStyleProfile:text}",
        "{f.contentPreferences:text}",
        "{f.personalizedForgettingCurve:text}",
        "{f.optimalSessionDuration}",
        "{f.dataQualityScore}",
    ),
    "FROM {f} WHERE {f.userId} = {given:learner} LIMIT 1",
)

EXAMS = Template(
    "Exam",
    ("{x.courseId:text}", "{x.date:ms}", "{x.coverageTopics}"),
    "FROM {x} WHERE {x.userId} = {given:learner}"
    " ORDER BY {x.date:nearest} NULLS LAST, {x.id:byte_order} LIMIT {given:limit}",
)

MISSIONS = Template(
    "Mission",
    ("{n.date:ms}", "{n.status:text}", "{n.estimatedMinutes}", "{n.objectives:text}"),
    "FROM {n} WHERE {n.userId} = {given:learner}"
    " ORDER BY {n.date:nearest} NULLS LAST, {n.id:byte_order} LIMIT {given:limit}",
)

OUTCOMES = _dated(
    "StrugglePrediction",
    (
        "{g.id:text}",
        "{g.learningObjectiveId:text}",
        "{l.courseId:text}",
        "{g.actualOutcome}",
        "{g.actualOutcomeRecordedAt:ms}",
    ),
    "g",
    "actualOutcomeRecordedAt",
    "LEFT JOIN {o} ON {o.id} = {g.learningObjectiveId} " + _LECTURE,
    " AND {g.actualOutcome} IS NOT NULL",
)

ANSWERS = _dated(
    "PredictionFeedback",
    (
        "{h.predictionId:text}",
        "{g.learningObjectiveId:text}",
        "{l.courseId:text}",
        "{h.actualStruggle}",
        "{h.submittedAt:ms}",
    ),
    "h",
    "submittedAt",
    "JOIN {g} ON {g.id} = {h.predictionId} LEFT JOIN {o} ON {o.id} = {g.learningObjectiveId} " + _LECTURE,
    " AND {h.actualStruggle} IS NOT NULL",
)
"""The learner's own word on earlier predictions."""

MASTERIES = Template(
    "LearningObjective",
    ("{o.id:text}", "{l.courseId:text}", "{o.complexity:text}", "{o.masteryLevel:text}"),
    "FROM {l} JOIN {o} ON {o.lectureId} = {l.id} WHERE {l.id} IN ("
    "SELECT {l.id} FROM {l} WHERE {l.userId} = {given:learner} UNION "
    "SELECT {l.id} FROM {c} JOIN {l} ON {l.courseId} = {c.id}"
    " WHERE {c.userId} = {given:learner} AND {l.userId} IS NULL)"
    " ORDER BY {o.lastStudiedAt:newest}, {o.id:byte_order} LIMIT {given:limit}",
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
