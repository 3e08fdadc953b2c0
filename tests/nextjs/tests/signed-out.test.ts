// The application as it is copied, with src/lib/session.ts not yet filled in: nobody sees anything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GET as performanceOfLately } from '@/app/api/analytics/model-performance/route';
import { POST as giveFeedback } from '@/app/api/analytics/predictions/[id]/feedback/route';
import { POST as byPackage } from '@/app/api/analytics/predictions/by-package/route';
import { POST as generate } from '@/app/api/analytics/predictions/generate/route';

test('every route answers 403, whatever the request, and asks neither the database nor predict.py', async () => {
  delete process.env.DATABASE_URL;
  process.env.STRUGGLE_PREDICT = '/nowhere/predict.py';
  const headers = { 'Content-Type': 'application/json', Origin: 'http://localhost', Host: 'localhost' };
  for (const body of ['{"userId": "demo-learner", "objectiveId": "action-potentials", "actualStruggle": true}', '{', '']) {
    const post = () => new Request('http://localhost/', { method: 'POST', headers, body });
    const replies = [
      await generate(post()),
      await byPackage(post()),
      await giveFeedback(post(), { params: Promise.resolve({ id: 'p' }) }),
      await performanceOfLately(new Request('http://localhost/?days=7')),
    ];
    for (const reply of replies) {
      assert.equal(reply.status, 403);
      assert.equal((await reply.json()).error.code, 'forbidden');
    }
  }
});
