// POST {userId, objectiveId}: asks predict.py, stores the answer as a StrugglePrediction, and returns the stored row.
import { refuse, written } from '@/lib/guard';
import { storePrediction } from '@/lib/stored-prediction';
import { type Answer, isId, predictStruggle } from '@/lib/struggle-predictor';

export const runtime = 'nodejs'; // a child process is started

export async function POST(request: Request): Promise<Response> {
  const asked = await written(request);
  if (asked instanceof Response) return asked;
  const { userId, objectiveId } = (asked.sent ?? {}) as Record<string, unknown>;
  if (isId(userId) && !asked.session.maySee(userId)) {
    return refuse(404, 'unknown_learner', 'there is no such learner'); // whether it exists is nobody else's business
  }

  const prediction = await predictStruggle(userId, objectiveId);
  if (!prediction.ok) {
    const { status, code, message } = prediction;
    if (status < 500) return refuse(status, code, message);
    console.error(`predictStruggle: ${status} ${code}: ${message}`); // may name hosts and paths, so it stays here
    return refuse(status, code, status === 503 ? 'no prediction in time; try again' : 'the predictor is not set up well');
  }

  const { answer } = prediction;
  // A degraded answer rests on default features: worth showing as such, not worth storing, counting or learning from.
  const stored = answer.degraded ? null : await store(answer);
  return Response.json({ stored, answer }, { status: stored === null ? 200 : 201 });
}

/** The stored row; null where the database does not take it, which is no reason to keep the answer from anybody. */
async function store(answer: Answer) {
  try {
    return await storePrediction(answer);
  } catch (error) {
    console.error('The prediction could not be stored:', error);
    return null;
  }
}
