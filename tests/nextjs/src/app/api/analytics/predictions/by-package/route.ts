// POST {userId, objectiveId}: the answer through the package for Node, whose workers stay alive between requests.
import { createPredictor } from 'struggle-predictor';
import { refuse, written } from '@/lib/guard';

const predictor = createPredictor({ python: process.env.STRUGGLE_PYTHON, workers: 2 });

export async function POST(request: Request): Promise<Response> {
  const asked = await written(request);
  if (asked instanceof Response) return asked;
  const { userId, objectiveId } = (asked.sent ?? {}) as Record<string, unknown>;
  if (typeof userId === 'string' && !asked.session.maySee(userId)) {
    return refuse(404, 'unknown_learner', 'there is no such learner'); // whether it exists is nobody else's business
  }

  const prediction = await predictor.predict(userId, objectiveId, { signal: request.signal });
  if (prediction.ok) return Response.json({ answer: prediction.answer });
  const { status, code, message } = prediction;
  if (status < 500) return refuse(status, code, message);
  console.error(`struggle-predictor: ${status} ${code}: ${message}`); // may name hosts and paths, so it stays here
  return refuse(status, code, status === 503 ? 'no prediction in time; try again' : 'the predictor is not set up well');
}
