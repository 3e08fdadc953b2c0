// Stores predict.py's answer as the batch does: one row per learner, objective and day that the prediction is about.
import { prisma } from '@/lib/prisma';
import type { Answer } from '@/lib/struggle-predictor';

const MOST_EARLIER = 8;
const MOST_ATTEMPTS = 5;
const TRY_AGAIN = ['P2002', 'P2025', 'P2034']; // somebody else made the row, or changed it, at the same time

/** The answer's row, made or brought up to date. One that was decided or dismissed, or is newer, stays as it is. */
export async function storePrediction(answer: Answer) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await store(answer);
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (attempt === MOST_ATTEMPTS || typeof code !== 'string' || !TRY_AGAIN.includes(code)) throw error;
    }
  }
}

/** The same with the text that is stored. */
function inEnglish<T extends { text: string; stored_text?: string }>({ stored_text: stored, ...rest }: T) {
  return { ...rest, text: stored ?? rest.text };
}

async function store(answer: Answer) {
  const predictedAt = new Date(answer.as_of);
  const until = new Date(answer.prediction_date); // the last millisecond of its day
  const from = new Date(until);
  from.setUTCHours(0, 0, 0, 0);
  const whose = { userId: answer.user_id, learningObjectiveId: answer.objective_id };
  const ofTheDay = await prisma.strugglePrediction.findMany({
    where: { ...whose, predictionDate: { gte: from, lte: until } },
    orderBy: { predictedAt: 'desc' },
  });
  const held = ofTheDay.find(({ predictionStatus }) => predictionStatus === 'PENDING') ?? ofTheDay[0];
  const decided = held && (held.predictionStatus !== 'PENDING' || held.actualOutcome !== null);
  if (held && (decided || held.predictedAt > predictedAt)) return held;

  const { advice, change } = answer;
  const predictionId = held?.id ?? answer.prediction_id;
  const said = {
    topicId: answer.topic_id,
    predictedStruggleProbability: answer.probability,
    predictionConfidence: answer.confidence,
    // What is stored is English for a teacher, whatever words the answer has.
    featureVector: {
      ...answer.features,
      ...(advice.length > 0 ? { advice: advice.map(({ rows: _, ...rest }) => inEnglish(rest)) } : {}),
      ...(change ? { change: { ...inEnglish(change), factors: change.factors?.map(inEnglish) ?? null } } : {}),
      ...(held ? earlier(held, predictedAt) : {}),
    },
    strugglingFactors: answer.factors.map(({ stored_text: stored, ...factor }) => ({
      ...factor, // our names, and those that other readers of the column look for
      text: stored ?? factor.text,
      factor: factor.feature,
      weight: factor.contribution,
      description: stored ?? factor.text,
    })),
    predictionDate: until,
    predictedAt,
  };
  const signs = answer.indicators.map((sign) => ({
    ...whose,
    predictionId,
    indicatorType: sign.indicator_type,
    severity: sign.severity,
    context: { ...sign.context, probability: answer.probability },
    detectedAt: predictedAt,
  }));
  const [stored] = await prisma.$transaction([
    held // a row that is decided meanwhile is no longer found, and read again
      ? prisma.strugglePrediction.update({ where: { id: held.id, predictionStatus: 'PENDING' }, data: said })
      : prisma.strugglePrediction.create({ data: { id: predictionId, ...whose, predictionStatus: 'PENDING', ...said } }),
    prisma.struggleIndicator.deleteMany({ where: { predictionId } }),
    prisma.struggleIndicator.createMany({ data: signs }),
  ]);
  return stored;
}

/** What the row said before, oldest first; the same moment predicted again says nothing new. */
function earlier(
  held: { predictedAt: Date; predictedStruggleProbability: number; featureVector: unknown },
  predictedAt: Date,
) {
  const { earlier: listed, model_version } = (held.featureVector ?? {}) as { earlier?: unknown; model_version?: string };
  const said: object[] = Array.isArray(listed) ? listed : [];
  if (held.predictedAt.getTime() !== predictedAt.getTime()) {
    said.push({
      predicted_at: held.predictedAt.toISOString(),
      probability: held.predictedStruggleProbability,
      model_version: model_version ?? null,
    });
  }
  return said.length > 0 ? { earlier: said.slice(-MOST_EARLIER) } : {};
}
