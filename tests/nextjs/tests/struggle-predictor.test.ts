// predictStruggle with real child processes: predict.py on its demo database where STRUGGLE_PYTHON and STRUGGLE_PREDICT
// name it, and small scripts that end as predict.py can end.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { isId, predictStruggle } from '@/lib/struggle-predictor';

const configured = { python: process.env.STRUGGLE_PYTHON, predict: process.env.STRUGGLE_PREDICT };
const folder = mkdtempSync(join(tmpdir(), 'struggle-'));

after(() => rmSync(folder, { recursive: true }));
afterEach(() => configure(configured.python, configured.predict));

function configure(python: string | undefined, predict: string | undefined): void {
  process.env.STRUGGLE_PYTHON = python ?? '';
  process.env.STRUGGLE_PREDICT = predict ?? '';
}

/** A script in predict.py's place, run by node in Python's. */
function standIn(source: string): void {
  const script = join(folder, 'stand-in.mjs');
  writeFileSync(script, source);
  configure(process.execPath, script);
}

test('the demo learner is at high risk with action potentials', async () => {
  const prediction = await predictStruggle('demo-learner', 'action-potentials');
  assert(prediction.ok, JSON.stringify(prediction));
  assert.equal(prediction.answer.risk_level, 'HIGH');
  assert(prediction.answer.probability > 0.7);
  const logit = prediction.answer.factors.reduce((sum, { contribution }) => sum + contribution, prediction.answer.intercept);
  assert(Math.abs(1 / (1 + Math.exp(-logit)) - prediction.answer.probability) < 1e-9);
});

for (const id of ['-h', '--help', '$(id)', "'; drop table users; --", 'a b "c"', '😀', '..', 'x'.repeat(255)]) {
  test(`an unknown id is 404, whatever it looks like: ${id.slice(0, 30)}`, async () => {
    const prediction = await predictStruggle(id, 'action-potentials');
    assert(!prediction.ok);
    assert.deepEqual([prediction.status, prediction.code], [404, 'unknown_learner']);
    const other = await predictStruggle('demo-learner', id);
    assert(!other.ok);
    assert.deepEqual([other.status, other.code], [404, 'unknown_objective']);
  });
}

test('what cannot be an id is 400 and starts no process', async () => {
  configure('/nowhere/python', '/nowhere/predict.py');
  for (const id of ['', 'a\0b', 'x'.repeat(256), '\ud800', undefined, null, 7, {}, ['a'], true]) {
    assert.equal(isId(id), false);
    for (const prediction of [await predictStruggle(id, 'b'), await predictStruggle('a', id)]) {
      assert(!prediction.ok);
      assert.deepEqual([prediction.status, prediction.code], [400, 'invalid_id']);
    }
  }
});

for (const [exit, status] of [[2, 400], [66, 404], [69, 503], [70, 500], [74, 500], [78, 500], [130, 503], [143, 503]] as const) {
  test(`exit code ${exit} becomes ${status}, with the code and message that were printed`, async () => {
    standIn(`console.log('{"error": {"code": "why", "message": "because"}}'); process.exitCode = ${exit}`);
    assert.deepEqual(await predictStruggle('a', 'b'), { ok: false, status, code: 'why', message: 'because' });
  });
}

test('an exit code without JSON is never the fault of whoever asked', async () => {
  for (const exit of [1, 2, 66, 70, 78]) {
    standIn(`process.exitCode = ${exit}`);
    const prediction = await predictStruggle('a', 'b');
    assert(!prediction.ok);
    assert.equal(prediction.status, 500, `exit code ${exit}`);
  }
});

test('no JSON, half of it, or JSON that is no answer is a clear 500', async () => {
  for (const printed of ['', 'Traceback', '{"probability": 0.5', '{"probability": 0.5}', 'null', '[]', '3']) {
    standIn(`process.stdout.write(${JSON.stringify(printed)})`);
    assert.deepEqual(await predictStruggle('a', 'b'), {
      ok: false, status: 500, code: 'unreadable', message: 'predict.py printed no answer',
    });
  }
  standIn('process.exitCode = 1');
  const failed = await predictStruggle('a', 'b');
  assert(!failed.ok && failed.code === 'unreadable' && failed.status === 500);
});

test('too much output is stopped', async () => {
  standIn(`process.stdout.write('x'.repeat(1 << 21))`);
  const prediction = await predictStruggle('a', 'b');
  assert(!prediction.ok);
  assert.deepEqual([prediction.status, prediction.code], [500, 'not_started']);
});

test('a child that hangs is killed after five seconds, and gone', async () => {
  standIn(`process.on('SIGTERM', () => {}); console.error(process.pid); setInterval(() => {}, 1000)`);
  const said: string[] = [];
  const error = console.error;
  console.error = (line: string) => said.push(line);
  const started = performance.now();
  const prediction = await predictStruggle('a', 'b').finally(() => (console.error = error));
  const took = performance.now() - started;
  assert(!prediction.ok);
  assert.deepEqual([prediction.status, prediction.code], [503, 'timeout']);
  assert(took >= 4_900 && took < 8_000, `${took} ms`);
  assert.throws(() => process.kill(Number(said[0]), 0), { code: 'ESRCH' });
});

test('a child that ends by itself as its time is up, and has said nothing, is a timeout', async () => {
  // Under load the kill can come as the child ends by itself: no error and no output; only the clock tells.
  standIn(`
    import { spawn } from 'node:child_process';
    spawn('sleep', ['6'], { stdio: ['ignore', 'inherit', 'inherit'] }).unref(); // keeps the streams open
    process.exit(0);
  `);
  const prediction = await predictStruggle('a', 'b');
  assert(!prediction.ok);
  assert.deepEqual([prediction.status, prediction.code], [503, 'timeout']);
});

test('an answer that came whole counts, however the child ended', async () => {
  const { answer } = (await predictStruggle('demo-learner', 'action-potentials')) as { answer: object };
  for (const end of ['process.exitCode = 74', `process.kill(process.pid, 'SIGKILL')`]) {
    standIn(`import { writeSync } from 'node:fs'; writeSync(1, ${JSON.stringify(JSON.stringify(answer))}); ${end}`);
    assert.deepEqual(await predictStruggle('a', 'b'), { ok: true, answer });
  }
});

test('whatever the system refuses is said, not thrown', async () => {
  const plain = join(folder, 'a-file');
  writeFileSync(plain, '');
  const circle = join(folder, 'circle');
  symlinkSync(circle, circle);
  const real = configured.predict ?? '';
  const refused: [python: string, script: string][] = [
    [join(plain, 'python'), real], // ENOTDIR
    [join(circle, 'python'), real], // ELOOP
    [`/${'x'.repeat(300)}`, real], // ENAMETOOLONG
    [process.execPath, `/${'x'.repeat(3_000_000)}`], // E2BIG
    [plain, real], // EACCES
    [folder, real],
    ['/nowhere/python', real],
    [configured.python ?? '', join(folder, 'nowhere.py')], // Python starts, and finds no script
  ];
  for (const [python, script] of refused) {
    configure(python, script);
    const prediction = await predictStruggle('demo-learner', 'action-potentials');
    assert(!prediction.ok);
    assert.deepEqual([prediction.status, prediction.code], [500, 'not_started'], prediction.message.slice(0, 200));
  }
});

test('fifty at once are answers, or a clean 503 within the deadline', async () => {
  const started = performance.now();
  const took: number[] = [];
  const all = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const prediction = await predictStruggle('demo-learner', 'action-potentials');
      took.push(performance.now() - started);
      return prediction;
    }),
  );
  for (const prediction of all) {
    assert(prediction.ok || prediction.status === 503, JSON.stringify(prediction));
    if (prediction.ok && prediction.answer.degraded === '') assert.equal(prediction.answer.risk_level, 'HIGH');
  }
  assert(all.some(({ ok }) => ok));
  assert(Math.max(...took) < 7_000, `${Math.max(...took)} ms`); // the deadline, and what a busy machine adds
});

test('no more children run at once than there are cores, and what cannot wait is refused at once', async () => {
  const marks = mkdtempSync(join(folder, 'marks-'));
  standIn(`
    import { readdirSync, rmSync, writeFileSync } from 'node:fs';
    const mark = ${JSON.stringify(marks)} + '/' + process.pid;
    writeFileSync(mark, '');
    setTimeout(() => { console.log(readdirSync(${JSON.stringify(marks)}).length); rmSync(mark); process.exitCode = 70; }, 100);
  `);
  const seen: number[] = [];
  const watching = setInterval(() => seen.push(readdirSync(marks).length), 10);
  const most = availableParallelism();
  const started = performance.now();
  let refusedAfter = Infinity;
  const all = await Promise.all(
    Array.from({ length: most * 51 + 3 }, async () => {
      const prediction = await predictStruggle('a', 'b');
      if (!prediction.ok && prediction.code === 'busy') refusedAfter = Math.min(refusedAfter, performance.now() - started);
      return prediction.ok ? 'ok' : prediction.code;
    }),
  );
  clearInterval(watching);
  assert(Math.max(...seen) <= most, `${Math.max(...seen)} children at once`);
  assert(all.filter((code) => code === 'busy').length >= 3);
  assert(refusedAfter < 1_000, `${refusedAfter} ms`);
  assert.equal((await predictStruggle('a', 'b') as { code: string }).code, 'unreadable', 'every place was given back');
});

test('a child that somebody else kills is 503', async () => {
  standIn(`process.kill(process.pid, 'SIGKILL')`);
  const prediction = await predictStruggle('a', 'b');
  assert(!prediction.ok);
  assert.deepEqual([prediction.status, prediction.code], [503, 'killed']);
});

test('paths that are missing or relative are a configuration error', async () => {
  for (const [python, script] of [['', ''], ['python3', '/srv/predict.py'], ['/usr/bin/python3', 'predict.py']]) {
    configure(python, script);
    const prediction = await predictStruggle('a', 'b');
    assert(!prediction.ok);
    assert.deepEqual([prediction.status, prediction.code], [500, 'configuration']);
  }
  configure('/nowhere/python', '/nowhere/predict.py');
  const prediction = await predictStruggle('a', 'b');
  assert(!prediction.ok);
  assert.deepEqual([prediction.status, prediction.code], [500, 'not_started']);
});
