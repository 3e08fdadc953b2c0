import type { RiskLevel } from '@/lib/struggle-predictor';

/** The platform's thresholds: HIGH from 0.7, MEDIUM from 0.4. */
export function riskLevel(probability: number): RiskLevel {
  return probability >= 0.7 ? 'HIGH' : probability >= 0.4 ? 'MEDIUM' : 'LOW';
}

export function percent(share: number): string {
  return `${Math.round(100 * share)}%`;
}
