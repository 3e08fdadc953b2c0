import type { RiskLevel } from '@/lib/struggle-predictor';

/** The platform's thresholds: HIGH from 0.7, MEDIUM from 0.4. */
export function riskLevel(probability: number): RiskLevel {
  return probability >= 0.7 ? 'HIGH' : probability >= 0.4 ? 'MEDIUM' : 'LOW';
}

/** Rounded down, as in predict.py's sentences, so that 70 % is high wherever it is shown. */
export function percent(share: number): string {
  return `${Math.floor(100 * share + 1e-9)} %`;
}
