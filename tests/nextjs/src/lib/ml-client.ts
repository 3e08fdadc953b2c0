// Calls the prediction service over HTTP: the same answer as predict.py's, for a web app with no Python beside it.
import type { Answer } from '@/lib/struggle-predictor';

const TIMEOUT_MS = 5_000;

/** The service gave no answer. `status` is its HTTP status, or 503 where it could not be reached in time. */
export class PredictionFailed extends Error {
  override readonly name = 'PredictionFailed';

  constructor(readonly status: number, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Whether the learner will struggle with the objective. Throws PredictionFailed. */
export async function getPrediction(userId: string, objectiveId: string): Promise<Answer> {
  const service = process.env.ML_SERVICE_URL || 'http://localhost:8000';
  const token = process.env.ML_SERVICE_TOKEN;
  let response: Response;
  try {
    response = await fetch(new URL('/predict', service), {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
      },
      body: JSON.stringify({ user_id: userId, objective_id: objectiveId }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw new PredictionFailed(503, 'the prediction service cannot be reached', { cause });
  }
  if (!response.ok) throw new PredictionFailed(response.status, `the prediction service answered ${response.status}`);
  return (await response.json()) as Answer;
}
