// POST {userId, objectiveId}: how likely it is that the learner will struggle with the objective, and why.
import { createPredictor } from 'struggle-predictor';
import { mayPredict } from 'MAY_PREDICT';

export const config = { api: { bodyParser: { sizeLimit: '16kb' } } };

const predictor = createPredictor({
  python: process.env.STRUGGLE_PYTHON || 'PYTHON',
  schema: process.env.STRUGGLE_SCHEMA || 'SCHEMA',
  workers: Number(process.env.STRUGGLE_WORKERS || 0),
});

export default async function handler(request, response) {
  const refuse = (status, code, message) => {
    response.status(status).json({ error: { code, message } });
  };
  if (request.method !== 'POST') {
    response.setHeader('Allow', 'POST');
    return refuse(405, 'not_post', 'the method must be POST');
  }
  // A page of another site can send a form or plain text with our cookies, but not this content type.
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
    return refuse(415, 'not_json', 'the body must be application/json');
  }
  const userId = request.body?.userId;
  const objectiveId = request.body?.objectiveId;
  if (typeof userId !== 'string' || !(await mayPredict(request, userId))) {
    return refuse(403, 'forbidden', 'you may not ask for this learner');
  }

  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const prediction = await predictor.predict(userId, objectiveId, { signal: gone.signal });
  if (prediction.ok) {
    response.setHeader('Cache-Control', 'private, no-store');
    response.status(200).json({ answer: prediction.answer });
    return;
  }
  const { status, code, message } = prediction;
  if (status < 500) return refuse(status, code, message);
  console.error(`struggle-predictor: ${status} ${code}: ${message}`); // may name hosts and paths, so it stays here
  refuse(status, code, status === 503 ? 'no prediction in time; try again' : 'the predictor is not set up well');
}
