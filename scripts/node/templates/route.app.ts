// POST {userId, objectiveId}: how likely it is that the learner will struggle with the objective, and why.
import { createPredictor } from 'struggle-predictor';
import { mayPredict } from 'MAY_PREDICT';

const LONGEST_BODY = 16 * 1024; // bytes; two ids are far shorter

const predictor = createPredictor({
  python: process.env.STRUGGLE_PYTHON || 'PYTHON',
  schema: process.env.STRUGGLE_SCHEMA || 'SCHEMA',
  workers: Number(process.env.STRUGGLE_WORKERS || 0),
});

function refuse(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status });
}

export async function POST(request: Request): Promise<Response> {
  // A page of another site can send a form or plain text with our cookies, but not this content type.
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? '')) {
    return refuse(415, 'not_json', 'the body must be application/json');
  }
  const text = await textOf(request);
  if (text === null) return refuse(413, 'too_large', `the body may have at most ${LONGEST_BODY} bytes`);
  let asked: { userId?: unknown; objectiveId?: unknown } | null;
  try {
    asked = JSON.parse(text);
  } catch {
    return refuse(400, 'not_json', 'the body is not JSON');
  }
  const userId = asked?.userId;
  const objectiveId = asked?.objectiveId;
  if (typeof userId !== 'string' || !(await mayPredict(request, userId))) {
    return refuse(403, 'forbidden', 'you may not ask for this learner');
  }

  const prediction = await predictor.predict(userId, objectiveId, { signal: request.signal });
  if (prediction.ok) {
    return Response.json({ answer: prediction.answer }, { headers: { 'Cache-Control': 'private, no-store' } });
  }
  const { status, code, message } = prediction;
  if (status < 500) return refuse(status, code, message);
  console.error(`struggle-predictor: ${status} ${code}: ${message}`); // may name hosts and paths, so it stays here
  return refuse(status, code, status === 503 ? 'no prediction in time; try again' : 'the predictor is not set up well');
}

/** The body's text; null where it is longer than it may be, of which no more is read than that. */
async function textOf(request: Request): Promise<string | null> {
  const reader = request.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  for (let read = await reader?.read(); read?.value !== undefined; read = await reader?.read()) {
    length += read.value.byteLength;
    if (length > LONGEST_BODY) {
      await reader?.cancel();
      return null;
    }
    text += decoder.decode(read.value, { stream: true });
  }
  return text + decoder.decode();
}
