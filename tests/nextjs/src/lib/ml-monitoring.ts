// How good the predictions were: what was said against what came, with the uncertainty that small counts bring.
import { prisma } from '@/lib/prisma';

const DAY_MS = 24 * 60 * 60 * 1000;
const SAYS_STRUGGLE_FROM = 0.5;
const LEAST_ACCURACY = 0.75;
const LEAST_RECALL = 0.7;
const CALIBRATED_WITHIN = 0.02; // probabilities proven to be further off excuse no missed target
const MOST_JUDGED = 100_000; // the newest; their intervals are as narrow as anybody needs

export interface JudgedPrediction {
  predictedStruggleProbability: number;
  actualOutcome: boolean | null;
}

/** A share of `of` cases with its 95 % interval; null where there is no case to take a share of. */
export interface Share {
  value: number;
  interval: [low: number, high: number];
  of: number;
}

/** What perfectly calibrated probabilities would give at the same threshold: the most that may be asked for. */
export interface Attainable {
  accuracy: number | null;
  precision: number | null;
  recall: number | null;
}

export interface Performance {
  judged: number;
  truePositives: number;
  falsePositives: number;
  trueNegatives: number;
  falseNegatives: number;
  accuracy: Share | null;
  precision: Share | null;
  recall: Share | null;
  attainable: Attainable;
  /** Targets that are missed because calibrated probabilities would miss them too: no fault of the model's. */
  outOfReach: string[];
  /** What is worse than its target beyond doubt; empty when all is well, or when too little is known to say. */
  alerts: string[];
}

/** Wilson's interval: it stays within 0..1 and is honest at small counts, where p +- 2 s is not. */
export function share(hits: number, of: number): Share | null {
  if (of === 0) return null;
  const z = 1.96;
  const p = hits / of;
  const middle = (p + (z * z) / (2 * of)) / (1 + (z * z) / of);
  const half = (z / (1 + (z * z) / of)) * Math.sqrt((p * (1 - p)) / of + (z * z) / (4 * of * of));
  return { value: p, interval: [Math.max(0, middle - half), Math.min(1, middle + half)], of };
}

/** What the judged predictions say; those whose outcome is not known are left out. */
export function performanceOf(predictions: readonly JudgedPrediction[]): Performance {
  const counts = { truePositives: 0, falsePositives: 0, trueNegatives: 0, falseNegatives: 0 };
  for (const { predictedStruggleProbability, actualOutcome } of predictions) {
    if (actualOutcome === null) continue;
    const said = predictedStruggleProbability >= SAYS_STRUGGLE_FROM;
    if (said) counts[actualOutcome ? 'truePositives' : 'falsePositives'] += 1;
    else counts[actualOutcome ? 'falseNegatives' : 'trueNegatives'] += 1;
  }
  const { truePositives, falsePositives, trueNegatives, falseNegatives } = counts;
  const judged = truePositives + falsePositives + trueNegatives + falseNegatives;
  const accuracy = share(truePositives + trueNegatives, judged);
  const recall = share(truePositives, truePositives + falseNegatives);
  const probabilities = predictions
    .filter(({ actualOutcome }) => actualOutcome !== null)
    .map((each) => each.predictedStruggleProbability);
  const attainable = attainableBy(probabilities);
  const trusted = areCalibrated(probabilities, truePositives + falseNegatives);
  const missed = [
    ...below('accuracy', accuracy, LEAST_ACCURACY, trusted ? attainable.accuracy : null),
    ...below('recall', recall, LEAST_RECALL, trusted ? attainable.recall : null),
  ];
  return {
    judged,
    ...counts,
    accuracy,
    precision: share(truePositives, truePositives + falsePositives),
    recall,
    attainable,
    outOfReach: missed.filter(({ mayBeAsked }) => !mayBeAsked).map(({ sentence }) => sentence),
    alerts: missed.filter(({ mayBeAsked }) => mayBeAsked).map(({ sentence }) => sentence),
  };
}

/** The figures to expect if each prediction comes true with just its probability. */
export function attainableBy(probabilities: readonly number[]): Attainable {
  const flagged = probabilities.filter((probability) => probability >= SAYS_STRUGGLE_FROM);
  const right = probabilities.map((probability) => (probability >= SAYS_STRUGGLE_FROM ? probability : 1 - probability));
  return {
    accuracy: ratio(sum(right), probabilities.length),
    precision: ratio(sum(flagged), flagged.length),
    recall: ratio(sum(flagged), sum(probabilities)),
  };
}

/** Whether the share that struggled is not proven to lie further than two points from the mean probability. */
function areCalibrated(probabilities: readonly number[], struggles: number): boolean {
  const rate = share(struggles, probabilities.length);
  if (rate === null) return true;
  const mean = sum(probabilities) / probabilities.length;
  return rate.interval[0] - mean <= CALIBRATED_WITHIN && mean - rate.interval[1] <= CALIBRATED_WITHIN;
}

/**
 * A target is missed only when the whole interval is below it: a week of few outcomes proves nothing. An alarm rings
 * when calibrated probabilities would reach the target, or when the figure is proven to be below theirs too.
 */
function below(name: string, measured: Share | null, target: number, attainable: number | null): Missed[] {
  if (measured === null || measured.interval[1] >= target) return [];
  const told = `${name} is ${percent(measured.value)} of ${measured.of}, below its target of ${percent(target)}`;
  if (attainable === null || attainable >= target) return [{ sentence: told, mayBeAsked: true }];
  const sentence = `${told}, where calibrated probabilities would give ${percent(attainable)}`;
  return [{ sentence, mayBeAsked: measured.interval[1] < attainable }];
}

interface Missed {
  sentence: string;
  mayBeAsked: boolean;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

/** The performance of what was predicted in the days before `until`. */
export async function measurePredictions({
  days = 7,
  until = new Date(),
}: { days?: number; until?: Date } = {}): Promise<Performance> {
  const predictions = await prisma.strugglePrediction.findMany({
    where: {
      predictedAt: { gte: new Date(until.getTime() - days * DAY_MS), lt: until },
      actualOutcome: { not: null },
    },
    select: { predictedStruggleProbability: true, actualOutcome: true },
    orderBy: { predictedAt: 'desc' },
    take: MOST_JUDGED,
  });
  return performanceOf(predictions);
}

/** The same; `alert` is called once when a target is missed. For a nightly job. */
export async function trackPredictionAccuracy({
  alert = sendAlert,
  ...period
}: { days?: number; until?: Date; alert?: (message: string) => Promise<void> } = {}): Promise<Performance> {
  const performance = await measurePredictions(period);
  if (performance.alerts.length > 0) await alert(`Struggle predictions: ${performance.alerts.join('; ')}.`);
  return performance;
}

/** To the webhook that ML_ALERT_WEBHOOK names, and always to the log. */
export async function sendAlert(message: string): Promise<void> {
  console.error(message);
  const webhook = process.env.ML_ALERT_WEBHOOK;
  if (!webhook) return;
  await fetch(webhook, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ text: message }),
    signal: AbortSignal.timeout(5_000),
  }).catch((error: unknown) => console.error('The alert could not be sent:', error));
}
