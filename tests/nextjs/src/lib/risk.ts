import type { RiskLevel } from '@/lib/struggle-predictor';

/** The thresholds by which a prediction was told. */
export interface Thresholds {
  medium: number;
  high: number;
}

const PLATFORM: Thresholds = { medium: 0.4, high: 0.7 };

/** Those that a stored prediction keeps with its features; the platform's where it keeps none. */
export function thresholdsOf(featureVector: unknown): Thresholds {
  const levels = (featureVector as { levels?: { medium_from?: unknown; high_from?: unknown } } | null)?.levels;
  if (typeof levels?.medium_from !== 'number' || typeof levels?.high_from !== 'number') return PLATFORM;
  return { medium: levels.medium_from, high: levels.high_from };
}

export function riskLevelBy({ medium, high }: Thresholds, probability: number): RiskLevel {
  return probability >= high ? 'HIGH' : probability >= medium ? 'MEDIUM' : 'LOW';
}

/** The platform's thresholds: HIGH from 0.7, MEDIUM from 0.4. */
export function riskLevel(probability: number): RiskLevel {
  return riskLevelBy(PLATFORM, probability);
}

/** Rounded down, as in predict.py's sentences, so that 70 % is high wherever it is shown. */
export function percent(share: number): string {
  return `${Math.floor(100 * share + 1e-9)} %`;
}
