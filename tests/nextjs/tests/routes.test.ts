// The routes, called as Next.js calls them, on the demo tables in the database that DATABASE_URL names; what they store
// is read back through Prisma. The session is that of tests/support/session.ts, by tests/support/tsconfig.json.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { GET as performanceOfLately } from '@/app/api/analytics/model-performance/route';
import { POST as giveFeedback } from '@/app/api/analytics/predictions/[id]/feedback/route';
import { POST as generate } from '@/app/api/analytics/predictions/generate/route';
import { trackPredictionAccuracy } from '@/lib/ml-monitoring';
import { prisma } from '@/lib/prisma';
import { storePrediction } from '@/lib/stored-prediction';
import type { Factor, Indicator } from '@/lib/struggle-predictor';
import { upcomingFor } from '@/lib/upcoming';

const LEARNER = 'demo-learner';
const OBJECTIVE = 'action-potentials';

after(() => prisma.$disconnect());

/** Node's JSON as it comes back from a column: what was written, without undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const OURS = { 'Content-Type': 'application/json', Origin: 'http://localhost', Host: 'localhost' };

function post(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = OURS): Request {
  return new Request('http://localhost/', { method: 'POST', headers, body });
}

function asked(userId: unknown, objectiveId: unknown): Promise<Response> {
  return generate(post(JSON.stringify({ userId, objectiveId })));
}

function feedback(id: string, body: string): Promise<Response> {
  return giveFeedback(post(body), { params: Promise.resolve({ id }) });
}

async function codeOf(response: Response): Promise<[number, string]> {
  return [response.status, (await response.json()).error.code];
}

test('an answer is stored with the numbers that predict.py printed', async () => {
  const response = await asked(LEARNER, OBJECTIVE);
  const { stored, answer } = await response.json();
  assert.equal(response.status, 201, JSON.stringify(answer));
  const row = await prisma.strugglePrediction.findUniqueOrThrow({ where: { id: stored.id } });
  assert.equal(row.predictedStruggleProbability, answer.probability);
  assert.equal(row.predictionConfidence, answer.confidence);
  assert.equal(row.predictionStatus, 'PENDING');
  assert.equal(row.id, answer.prediction_id);
  assert.equal(row.topicId, answer.topic_id);
  assert.equal(row.predictionDate.getTime(), Date.parse(answer.prediction_date));
  assert.equal(row.predictedAt.getTime(), Date.parse(answer.as_of));
  assert.deepEqual([row.userId, row.learningObjectiveId], [LEARNER, OBJECTIVE]);
  const { advice, ...features } = plain(row.featureVector) as Record<string, unknown>;
  assert.deepEqual(features, answer.features);
  assert.deepEqual(advice, answer.advice.map(({ rows: _, ...rest }: { rows: unknown }) => rest));
  assert.deepEqual(plain(row.strugglingFactors), answer.factors.map((factor: Factor) => ({
    ...factor, factor: factor.feature, weight: factor.contribution, description: factor.text,
  })));
  const signs = await prisma.struggleIndicator.findMany({ where: { predictionId: row.id } });
  assert.deepEqual(
    signs.map(({ indicatorType, severity }) => [indicatorType, severity]).sort(),
    answer.indicators.map((sign: Indicator) => [sign.indicator_type, sign.severity]).sort(),
  );
  assert(signs.filter(({ severity }) => severity === 'HIGH').length >= 2); // what the app's alert asks for
  assert.equal(row.actualOutcome, null);

  const learner = await upcomingFor(LEARNER);
  const shown = learner?.objectives.find(({ id }) => id === OBJECTIVE);
  assert.equal(shown?.prediction?.probability, answer.probability);
  assert.deepEqual(shown?.prediction?.factors, answer.factors);
});

/** The rows of one prediction, as the batch and the route make them. */
const rowsOf = (id: string) => prisma.strugglePrediction.findMany({ where: { id } });

test('many predictions of one pair are one row, which keeps what it said before', async () => {
  const { answer } = await (await asked(LEARNER, OBJECTIVE)).json();
  const before = await prisma.strugglePrediction.count();
  const minute = (count: number) => new Date(Date.parse(answer.as_of) + count * 60_000).toISOString();
  for (let count = 1; count <= 10; count += 1) await storePrediction({ ...answer, as_of: minute(count), probability: count / 100 });
  await storePrediction({ ...answer, as_of: minute(10), probability: 0.5 }); // the same moment again
  await storePrediction({ ...answer, as_of: minute(3), probability: 0.6 }); // an earlier one
  const [row] = await rowsOf(answer.prediction_id);
  assert.equal(row?.predictedStruggleProbability, 0.5);
  const { earlier } = row?.featureVector as unknown as { earlier: { predicted_at: string; probability: number; model_version: string }[] };
  assert.deepEqual(earlier.map(({ predicted_at }) => predicted_at), [2, 3, 4, 5, 6, 7, 8, 9].map(minute));
  assert.equal(earlier[0]?.probability, 0.02);
  assert.equal(earlier[0]?.model_version, answer.model_version);
  assert.equal(await prisma.strugglePrediction.count(), before);
  const signs = await prisma.struggleIndicator.count({ where: { predictionId: answer.prediction_id } });
  assert.equal(signs, answer.indicators.length);
});

test('predictions stored at the same time are one row with one set of indicators', async () => {
  const { answer } = await (await asked(LEARNER, OBJECTIVE)).json();
  await prisma.strugglePrediction.deleteMany({ where: { id: answer.prediction_id } });
  await Promise.all([0, 1, 2, 3].map(() => storePrediction(answer)));
  assert.equal((await rowsOf(answer.prediction_id)).length, 1);
  const signs = await prisma.struggleIndicator.count({ where: { predictionId: answer.prediction_id } });
  assert.equal(signs, answer.indicators.length);
});

test('a decided row stays as it is, and a row of the same day under another id is the same row', async () => {
  const { answer } = await (await asked(LEARNER, OBJECTIVE)).json();
  const later = { ...answer, as_of: new Date(Date.parse(answer.as_of) + 3_600_000).toISOString(), probability: 0.01 };
  for (const data of [
    { predictionStatus: 'CONFIRMED' },
    { predictionStatus: 'DISMISSED' },
    { predictionStatus: 'PENDING', actualOutcome: false },
  ] as const) {
    await prisma.strugglePrediction.update({ where: { id: answer.prediction_id }, data });
    const kept = await rowsOf(answer.prediction_id);
    assert.equal((await storePrediction(later)).id, answer.prediction_id);
    assert.deepEqual(await rowsOf(answer.prediction_id), kept);
  }
  await prisma.strugglePrediction.delete({ where: { id: answer.prediction_id } });
  const day = answer.prediction_date.slice(0, 10);
  const old = await prisma.strugglePrediction.create({
    data: {
      userId: LEARNER, learningObjectiveId: OBJECTIVE, predictedStruggleProbability: 0.3, predictionConfidence: 0.3,
      strugglingFactors: [], predictionDate: new Date(day), predictedAt: new Date(Date.parse(answer.as_of) - 1),
    },
  });
  const stored = await storePrediction(answer);
  assert.equal(stored.id, old.id);
  assert.equal(stored.predictionDate.toISOString(), answer.prediction_date);
  assert.equal((await rowsOf(answer.prediction_id)).length, 0);
  await prisma.strugglePrediction.delete({ where: { id: old.id } });
});

test('nothing is stored when there is no answer', async () => {
  const before = await prisma.strugglePrediction.count();
  assert.deepEqual(await codeOf(await asked('nobody', OBJECTIVE)), [404, 'unknown_learner']);
  assert.deepEqual(await codeOf(await asked(LEARNER, '; touch x #')), [404, 'unknown_objective']);
  assert.deepEqual(await codeOf(await asked('a\0b', OBJECTIVE)), [400, 'invalid_id']);
  assert.deepEqual(await codeOf(await asked(undefined, 7)), [400, 'invalid_id']);
  for (const body of ['null', '[]', '3', '"x"', '{"userId": {}}']) {
    assert.deepEqual(await codeOf(await generate(post(body))), [400, 'invalid_id'], body);
  }
  for (const body of ['', '{', '\ufffe']) assert.deepEqual(await codeOf(await generate(post(body))), [400, 'not_json'], body);
  assert.equal(await prisma.strugglePrediction.count(), before);
});

test('a degraded answer is returned and not stored', async () => {
  const before = await prisma.strugglePrediction.count();
  const folder = mkdtempSync(join(tmpdir(), 'struggle-'));
  const predict = process.env.STRUGGLE_PREDICT;
  // predict.py itself, cut off from its database.
  writeFileSync(
    join(folder, 'cut_off.py'),
    `import os, sys\nos.environ["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nothing"\n` +
      `os.execv(sys.executable, [sys.executable, ${JSON.stringify(predict)}, *sys.argv[1:]])\n`,
  );
  process.env.STRUGGLE_PREDICT = join(folder, 'cut_off.py');
  const response = await asked(LEARNER, OBJECTIVE);
  process.env.STRUGGLE_PREDICT = predict;
  rmSync(folder, { recursive: true });
  const { stored, answer } = await response.json();
  assert.equal(response.status, 200);
  assert.equal(stored, null);
  assert.notEqual(answer.degraded, '');
  assert(answer.confidence <= 0.2);
  assert.equal(await prisma.strugglePrediction.count(), before);
});

test('what another page can send with our cookies is refused, and so is a learner whom one may not see', async () => {
  const before = await prisma.strugglePrediction.count();
  const body = JSON.stringify({ userId: LEARNER, objectiveId: OBJECTIVE });
  const { Origin: _, ...withoutOrigin } = OURS;
  for (const headers of [
    withoutOrigin,
    { ...OURS, Origin: 'null' },
    { ...OURS, Origin: 'http://evil.example' },
    { ...OURS, Origin: 'http://localhost.evil.example' },
    { ...OURS, Origin: 'http://localhost:8080' },
  ]) {
    assert.deepEqual(await codeOf(await generate(post(body, headers))), [403, 'other_origin'], JSON.stringify(headers));
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonp', '']) {
    assert.deepEqual(await codeOf(await generate(post(body, { ...OURS, 'Content-Type': type }))), [415, 'not_json'], type);
  }
  const proxied = { ...OURS, Origin: 'https://app.example', Host: '10.0.0.7:3000', 'X-Forwarded-Host': 'app.example' };
  assert.equal((await generate(post(body, proxied))).status, 201);
  assert.equal((await generate(post(body, { ...OURS, 'Content-Type': 'Application/JSON; charset=utf-8' }))).status, 201);
  assert.deepEqual(await codeOf(await asked('somebody-else', OBJECTIVE)), [404, 'unknown_learner']);
  assert((await prisma.strugglePrediction.count()) <= before + 2);
});

test('a body is read no further than it may be long', async () => {
  const long = JSON.stringify({ userId: LEARNER, objectiveId: OBJECTIVE, comments: 'x'.repeat(20_000) });
  assert.deepEqual(await codeOf(await generate(post(long))), [413, 'too_large']);
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({ pull: (to) => (to.enqueue(new Uint8Array(1024)), void (sent += 1024)) });
  const init = { method: 'POST', headers: OURS, body: endless, duplex: 'half' } as RequestInit;
  assert.deepEqual(await codeOf(await generate(new Request('http://localhost/', init))), [413, 'too_large']);
  assert(sent < 64 * 1024, `${sent} bytes were taken`);
});

test('an answer that cannot be stored is given all the same', async () => {
  await prisma.$executeRawUnsafe('ALTER TABLE struggle_predictions RENAME TO away');
  try {
    const response = await asked(LEARNER, OBJECTIVE);
    const { stored, answer } = await response.json();
    assert.deepEqual([response.status, stored, answer.risk_level], [200, null, 'HIGH']);
  } finally {
    await prisma.$executeRawUnsafe('ALTER TABLE away RENAME TO struggle_predictions');
  }
});

const database = process.env.DATABASE_URL ?? '';
if (database.startsWith('file:')) {
  test('an answer is stored while another reads, who keeps nobody out', async () => {
    const reader = new PrismaLibSql({ url: database }).createClient({ url: database });
    const reading = await reader.transaction('deferred');
    await reading.execute('SELECT count(*) FROM users');
    assert.equal((await asked(LEARNER, OBJECTIVE)).status, 201);
    await reading.rollback();
    reader.close();
    assert.equal((await asked(LEARNER, OBJECTIVE)).status, 201);
  });
}

test('twenty at once are answered, each stored or said not to be', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => asked(LEARNER, OBJECTIVE)));
  for (const response of all) {
    const reply = await response.json();
    if (response.status === 503) continue; // a busy machine: clean, and the caller may ask again
    assert([200, 201].includes(response.status), JSON.stringify(reply));
    assert(reply.stored === null ? response.status === 200 : response.status === 201);
    assert(reply.answer.probability > 0);
  }
});

test('what the set-up lacks is said without a path', async () => {
  const predict = process.env.STRUGGLE_PREDICT;
  process.env.STRUGGLE_PREDICT = '/nowhere/predict.py';
  const response = await asked(LEARNER, OBJECTIVE);
  process.env.STRUGGLE_PREDICT = predict;
  const reply = await response.text();
  assert.equal(response.status, 500);
  assert(!reply.includes('/'), reply);
});

test('feedback is stored with its prediction', async () => {
  const { stored } = await (await asked(LEARNER, OBJECTIVE)).json();
  const response = await feedback(stored.id, '{"actualStruggle": true, "comments": "the \\"pump\\" confused me"}');
  assert.equal(response.status, 201);
  const row = await prisma.predictionFeedback.findFirstOrThrow({ where: { predictionId: stored.id } });
  assert.equal(row.actualStruggle, true);
  assert.equal(row.feedbackType, 'HELPFUL'); // it was said, and it came
  assert.equal(row.userId, LEARNER);
  assert.equal(row.comments, 'the "pump" confused me');
  assert(Math.abs(row.submittedAt.getTime() - Date.now()) < 60_000);
  assert.equal((await (await feedback(stored.id, '{"actualStruggle": false}')).json()).feedbackType, 'INACCURATE');
  const words = await prisma.predictionFeedback.findMany({ where: { predictionId: stored.id } });
  assert.deepEqual(words.map(({ actualStruggle }) => actualStruggle), [false], 'one word per prediction and learner');
});

test('feedback that says nothing, or on nothing, is refused', async () => {
  const before = await prisma.predictionFeedback.count();
  const refused = ['null', '{}', '{"actualStruggle": "yes"}', '{"actualStruggle": true, "feedbackType": "DROP"}',
    '{"actualStruggle": true, "comments": 3}', '{"actualStruggle": true, "comments": "a\\u0000b"}',
    `{"actualStruggle": true, "comments": "${'x'.repeat(2001)}"}`];
  for (const body of refused) assert.deepEqual(await codeOf(await feedback('p', body)), [400, 'invalid_feedback'], body);
  assert.deepEqual(await codeOf(await feedback('p', '')), [400, 'not_json']);
  assert.deepEqual(await codeOf(await feedback('nothing', '{"actualStruggle": true}')), [404, 'unknown_prediction']);
  assert.deepEqual(await codeOf(await feedback('a\0', '{"actualStruggle": true}')), [400, 'invalid_feedback']);
  assert.equal(await prisma.predictionFeedback.count(), before);
});

test('the performance of the last days counts what is judged and within them', async () => {
  const until = new Date('2031-05-08T00:00:00Z');
  const days = (count: number) => new Date(until.getTime() - count * 24 * 60 * 60 * 1000);
  const row = {
    userId: LEARNER, learningObjectiveId: OBJECTIVE, predictionConfidence: 0.5, strugglingFactors: [],
    predictionDate: days(-9), // the day it is about says nothing of when it was made
  };
  const rows = [
    { predictedAt: days(1), predictedStruggleProbability: 0.8, actualOutcome: true },
    { predictedAt: days(7), predictedStruggleProbability: 0.5, actualOutcome: false },
    { predictedAt: days(2), predictedStruggleProbability: 0.9, actualOutcome: null },
    { predictedAt: days(7.01), predictedStruggleProbability: 0.1, actualOutcome: true },
    { predictedAt: days(0), predictedStruggleProbability: 0.1, actualOutcome: true },
  ];
  await prisma.strugglePrediction.createMany({ data: rows.map((one) => ({ ...row, ...one })) });
  const rung: string[] = [];
  const measured = await trackPredictionAccuracy({ until, alert: async (message) => void rung.push(message) });
  assert.deepEqual([measured.judged, measured.truePositives, measured.falsePositives], [2, 1, 1]);
  assert.equal(rung.length, 0);

  const wrong = { ...row, predictedAt: days(3), predictedStruggleProbability: 0.1, actualOutcome: true };
  await prisma.strugglePrediction.createMany({ data: Array.from({ length: 60 }, () => wrong) });
  await trackPredictionAccuracy({ until, alert: async (message) => void rung.push(message) });
  assert.equal(rung.length, 1);
  assert.match(String(rung[0]), /accuracy is .* recall is /);
});

test('the performance route answers in JSON and refuses nonsense', async () => {
  const measured = await (await performanceOfLately(new Request('http://localhost/?days=30'))).json();
  assert.equal(typeof measured.judged, 'number');
  for (const days of ['0', '-1', 'x', '1e3', '367', '99999', '']) {
    assert.deepEqual(await codeOf(await performanceOfLately(new Request(`http://localhost/?days=${days}`))), [400, 'invalid_days']);
  }
});

test('a learner who does not exist has nothing ahead', async () => {
  assert.equal(await upcomingFor('nobody'), null);
});
