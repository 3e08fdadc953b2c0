// getPrediction against a real HTTP server. ML_SERVICE_UNDER_TEST names a running prediction service; without it one
// stands in here that speaks the same interface and answers through predict.py.
import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { getPrediction, PredictionFailed } from '@/lib/ml-client';
import { predictStruggle } from '@/lib/struggle-predictor';

let server: Server;
let seen: IncomingHttpHeaders = {};

before(async () => {
  server = createServer(async (request, response) => {
    seen = request.headers;
    let body = '';
    for await (const chunk of request) body += chunk;
    const { user_id, objective_id } = JSON.parse(body);
    const prediction = await predictStruggle(user_id, objective_id);
    response.writeHead(prediction.ok ? 200 : prediction.status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(prediction.ok ? prediction.answer : { detail: prediction.message }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  process.env.ML_SERVICE_URL = process.env.ML_SERVICE_UNDER_TEST ?? `http://127.0.0.1:${port}`;
});

after(() => server.close());

test('a prediction comes back whole', async () => {
  const prediction = await getPrediction('demo-learner', 'action-potentials');
  assert(prediction.probability >= 0 && prediction.probability <= 1);
  assert.match(prediction.risk_level, /^(LOW|MEDIUM|HIGH)$/);
  assert(prediction.factors.length > 0);
});

test('an unknown learner is an error that carries the status', async () => {
  await assert.rejects(getPrediction('nobody', 'action-potentials'), (error) => {
    assert(error instanceof PredictionFailed);
    assert.equal(error.status, 404);
    return true;
  });
});

test('the token is sent where one is set', { skip: process.env.ML_SERVICE_UNDER_TEST !== undefined }, async () => {
  process.env.ML_SERVICE_TOKEN = 'a-token';
  await getPrediction('demo-learner', 'action-potentials');
  assert.equal(seen.authorization, 'Bearer a-token');
  delete process.env.ML_SERVICE_TOKEN;
  await getPrediction('demo-learner', 'action-potentials');
  assert.equal(seen.authorization, undefined);
});

test('a service that cannot be reached is 503', async () => {
  const url = process.env.ML_SERVICE_URL;
  process.env.ML_SERVICE_URL = 'http://127.0.0.1:1';
  await assert.rejects(getPrediction('a', 'b'), { name: 'PredictionFailed', status: 503 });
  process.env.ML_SERVICE_URL = url;
});
