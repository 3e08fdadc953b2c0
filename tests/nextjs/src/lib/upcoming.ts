// What a learner has ahead: the objectives of coming missions and exams, else those not yet mastered.
import { prisma } from '@/lib/prisma';
import { type Thresholds, thresholdsOf } from '@/lib/risk';
import type { Factor } from '@/lib/struggle-predictor';

const DAY_MS = 24 * 60 * 60 * 1000;
const DAYS_AHEAD = 14;
const MOST_OBJECTIVES = 100;

/** A stored prediction as the page shows it. */
export interface ShownPrediction {
  id: string | null;
  probability: number;
  thresholds: Thresholds;
  confidence: number;
  interval: [number, number] | null;
  reasoning: string | null;
  factors: Factor[];
  /** How many features have no data. */
  withoutData: number;
  /** What would help, in sentences, the largest difference first. */
  advice: string[];
  /** The change since the prediction before, in words; null where there was none. */
  change: string | null;
  asOf: string;
  /** Whether the learner struggled; null until that is known. */
  outcome: boolean | null;
  degraded: string;
}

export interface UpcomingObjective {
  id: string;
  text: string;
  course: string;
  lecture: string;
  complexity: string;
  mastery: string;
  occasions: string[];
  prediction: ShownPrediction | null;
}

export interface Learner {
  id: string;
  name: string;
  exams: { id: string; name: string; course: string; date: Date; days: number }[];
  objectives: UpcomingObjective[];
}

/** The learner and what lies ahead, riskiest first; null where there is no such learner. */
export async function upcomingFor(userId: string, now = clock()): Promise<Learner | null> {
  const user = await prisma.user.findUnique({
    where: { id: userId },
    include: {
      exams: {
        where: { date: { gte: startOfDay(now) } }, // one dated at midnight lasts that whole day
        orderBy: { date: 'asc' },
        include: { course: true },
      },
      missions: {
        where: {
          date: { gte: startOfDay(now), lt: new Date(now.getTime() + DAYS_AHEAD * DAY_MS) },
          status: { in: ['PENDING', 'IN_PROGRESS'] },
        },
        orderBy: { date: 'asc' },
      },
    },
  });
  if (user === null) return null;

  const exams = user.exams.map((exam) => {
    const days = daysBetween(now, exam.date);
    return { id: exam.id, name: exam.name, courseId: exam.courseId, course: exam.course.name, date: exam.date, days };
  });
  const soon = exams.filter((exam) => exam.days <= DAYS_AHEAD);
  const planned = user.missions.flatMap((mission) => objectiveIds(mission.objectives));
  const rows = await prisma.learningObjective.findMany({
    where: {
      OR: [
        { id: { in: planned } },
        { lecture: { course: { userId } } },
        { lecture: { courseId: { in: soon.map((exam) => exam.courseId) } } },
      ],
    },
    include: {
      lecture: { include: { course: true } },
      predictions: { where: { userId }, orderBy: { predictedAt: 'desc' }, take: 1 },
    },
    orderBy: { id: 'asc' },
    take: MOST_OBJECTIVES,
  });
  const objectives = rows.map((row): UpcomingObjective => {
    const exam = soon.find((candidate) => candidate.courseId === row.lecture.courseId);
    const stored = row.predictions[0];
    return {
      id: row.id,
      text: row.objective,
      course: row.lecture.course.name,
      lecture: row.lecture.title,
      complexity: row.complexity,
      mastery: row.masteryLevel,
      occasions: [
        ...(planned.includes(row.id) ? ['In a coming mission'] : []),
        ...(exam ? [`Exam ${inDays(exam.days)}`] : []),
      ],
      prediction: stored
        ? {
            id: stored.id,
            probability: stored.predictedStruggleProbability,
            thresholds: thresholdsOf(stored.featureVector),
            confidence: stored.predictionConfidence,
            interval: null, // the table has no column for it
            reasoning: null,
            factors: factorsOf(stored.strugglingFactors),
            withoutData: withoutData(stored.featureVector),
            advice: adviceOf(stored.featureVector),
            change: changeOf(stored.featureVector),
            asOf: stored.predictedAt.toISOString(),
            outcome: stored.actualOutcome,
            degraded: '',
          }
        : null,
    };
  });
  objectives.sort((one, other) => (other.prediction?.probability ?? -1) - (one.prediction?.probability ?? -1));
  return { id: user.id, name: user.name ?? user.id, exams, objectives };
}

/** A mission names its objectives as `objectiveId`, or as `objective.id`. */
export function objectiveIds(entries: unknown): string[] {
  if (!Array.isArray(entries)) return [];
  return entries
    .map((entry) => entry?.objectiveId ?? entry?.objective?.id)
    .filter((id): id is string => typeof id === 'string');
}

/** The factors of a stored JSON column; what is no factor is left out. */
export function factorsOf(stored: unknown): Factor[] {
  if (!Array.isArray(stored)) return [];
  return stored
    .filter(
      (factor): factor is Factor =>
        typeof factor?.feature === 'string' && typeof factor?.contribution === 'number' && typeof factor?.text === 'string',
    )
    .map(({ feature, value, contribution, points, text, objectives }) => ({
      ...{ feature, value, contribution, text },
      ...(typeof points === 'number' ? { points } : {}), // a row of version 1 has none
      ...(Array.isArray(objectives) ? { objectives } : {}),
    }));
}

/** The words of the change that a stored vector holds. */
export function changeOf(stored: unknown): string | null {
  const text = (stored as { change?: { text?: unknown } | null } | null)?.change?.text;
  return typeof text === 'string' ? text : null;
}

/** The sentences of the advice that a stored vector holds. */
export function adviceOf(stored: unknown): string[] {
  const advice = (stored as { advice?: unknown } | null)?.advice;
  if (!Array.isArray(advice)) return [];
  return advice.map((each) => each?.text).filter((text): text is string => typeof text === 'string');
}

/** How many features of a stored vector have no data. */
export function withoutData(stored: unknown): number {
  const defaulted = (stored as { defaulted?: unknown } | null)?.defaulted;
  return Array.isArray(defaulted) ? defaulted.length : 0;
}

/** Calendar days (UTC) from one moment to another: an exam this evening is 0 days away, not 1. */
export function daysBetween(from: Date, to: Date): number {
  return Math.round((startOfDay(to).getTime() - startOfDay(from).getTime()) / DAY_MS);
}

export function inDays(days: number): string {
  return days <= 0 ? 'today' : days === 1 ? 'tomorrow' : `in ${days} days`;
}

/** Now; a demonstration whose database stands still says with DEMO_NOW when that is. */
export function clock(): Date {
  return process.env.DEMO_NOW ? new Date(process.env.DEMO_NOW) : new Date();
}

function startOfDay(moment: Date): Date {
  return new Date(Date.UTC(moment.getUTCFullYear(), moment.getUTCMonth(), moment.getUTCDate()));
}
