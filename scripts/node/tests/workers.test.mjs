// Predictions by workers: the real ones, and programs that break the protocol in every way.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPredictor } from '../dist/esm/index.js';
import { ANSWER, answering, DEMO, HELLO, lives, logged, predictor, PYTHON, standIn, until } from './support.mjs';

const AS_OF = '2025-10-10T09:00:00.000Z';
const PACKAGE = JSON.stringify(join(import.meta.dirname, '..'));
const REPLY_PID = `reply({ id: line.id, answer: { ...answer, reasoning: String(process.pid), intercept: number } });`;
const pidOf = ({ answer }) => Number(answer.reasoning);

/** stdout of a Node program with the package, and how long it took. */
function program(source, python = PYTHON) {
  const started = performance.now();
  const text = `const { createPredictor } = require(${PACKAGE}); ${source}`;
  const ran = spawnSync(process.execPath, ['-e', text], { encoding: 'utf8', env: { ...process.env, STRUGGLE_PYTHON: python } });
  return { ...ran, took: performance.now() - started };
}

test('a worker gives the answers and the failures of the command', async () => {
  const workers = predictor({ workers: 1 });
  const command = predictor();
  const asked = [DEMO, ['-h', 'action-potentials'], ['a\nb', '😀'], ['demo-learner', '"}\u2028{'], DEMO];
  for (const ids of asked) {
    assert.deepEqual(await workers.predict(...ids, { asOf: AS_OF }), await command.predict(...ids, { asOf: AS_OF }));
  }
  const refused = await workers.predict(...DEMO, { asOf: '2025-99-99T00:00:00Z' });
  assert.equal(refused.status, 400);
  assert((await workers.predict(...DEMO)).ok);
});

test('a real worker is kept, and ends with Node: at its end, by process.exit in a call, and killed', async () => {
  const ask = `createPredictor({ workers: 1 }).predict('demo-learner', 'action-potentials')`;
  const ended = program(`${ask}.then(({ ok }) => console.log(ok))`);
  assert.deepEqual([ended.stdout, ended.status], ['true\n', 0]);
  assert(ended.took < 5_000, `${ended.took} ms`);
  for (const end of ['process.exit(3)', 'process.kill(process.pid, "SIGKILL")']) {
    const { stdout } = program(`const one = createPredictor({ workers: 1 }); one('demo-learner', 'action-potentials').then(() => {
      const { readdirSync, readFileSync, writeSync } = require('fs');
      const mine = readdirSync('/proc').filter((pid) => {
        try { return readFileSync('/proc/' + pid + '/stat', 'utf8').split(') ')[1].split(' ')[1] === String(process.pid); } catch { return false; }
      });
      one('demo-learner', 'action-potentials');
      writeSync(1, mine.join());
      ${end};
    })`);
    assert.match(stdout, /^\d+$/);
    await until(() => !lives(Number(stdout)));
  }
});

test('workers start when they are first needed, are kept, and are shared by predictors with equal options', async () => {
  const python = standIn({ worker: answering(REPLY_PID) });
  const one = predictor({ python, workers: 1 });
  const first = await one.predict(...DEMO);
  const second = await predictor({ python, workers: 1 }).predict(...DEMO);
  const other = await predictor({ python, workers: 1, maxQueue: 1 }).predict(...DEMO);
  assert.deepEqual([pidOf(second), second.answer.intercept], [pidOf(first), 2]);
  assert.notEqual(pidOf(other), pidOf(first));
  const three = predictor({ python, workers: 3 });
  const pids = new Set((await Promise.all(Array.from({ length: 30 }, () => three.predict(...DEMO)))).map(pidOf));
  assert(pids.size >= 2 && pids.size <= 3, String(pids.size));
  await one.close();
  assert(lives(pidOf(first)), 'another predictor still uses it');
});

test('close() ends the workers', async () => {
  const python = standIn({ worker: answering(REPLY_PID) });
  const one = createPredictor({ python, workers: 2 });
  const pid = pidOf(await one.predict(...DEMO));
  await one.close();
  assert(!lives(pid));
});

test('ids go to the worker as they are, one line each', async () => {
  const python = standIn({ worker: answering('reply({ id: line.id, answer: { ...answer, reasoning: JSON.stringify(line) } });') });
  const { predict } = predictor({ python, workers: 1 });
  for (const id of ['-h', 'a\nb', '"}\n{"', '\u2028', '😀', '$(id)', 'x'.repeat(255)]) {
    const { answer } = await predict(id, 'o');
    const { user_id, timeout } = JSON.parse(answer.reasoning);
    assert.equal(user_id, id);
    assert(timeout > 3 && timeout <= 4);
  }
});

for (const [what, worker] of [
  ['ends at once', 'process.exit(1)'],
  ['ends after its hello', `${HELLO} setTimeout(() => process.exit(0), 20)`],
  ['ends when it is asked', answering('process.exit(70);')],
  ['is killed in the middle of a line', answering(`require('fs').writeSync(1, '{"id": "1", "answer": {"pro'); process.kill(process.pid, 'SIGKILL');`)],
  ['speaks another protocol', `console.log('{"protocol": 2, "version": "2", "model_version": "m"}'); setInterval(() => {}, 1000)`],
  ['prints something else first', `console.log('Loading...'); setInterval(() => {}, 1000)`],
  ['says hello twice', `${HELLO} ${HELLO} setInterval(() => {}, 1000)`],
  ['answers another question', answering(`reply({ id: 'x', answer });`)],
  ['answers with no answer', answering('reply({ id: line.id });')],
  ['writes a line without an end', answering(`process.stdout.write('x'.repeat(2 << 20));`)],
  ['closes its stdout', answering(`require('fs').closeSync(1); setInterval(() => {}, 1000);`)],
  ['closes its stdin', `require('fs').closeSync(0); ${HELLO} setInterval(() => {}, 1000)`],
]) {
  test(`where a worker ${what}, a process of its own answers each call, and the worker is gone`, async () => {
    const python = standIn({ worker });
    const { predict } = predictor({ python, workers: 1 });
    const { said } = await logged(async () => {
      for (let time = 0; time < 3; time += 1) {
        const result = await predict(...DEMO);
        assert.equal(result.answer?.risk_level, 'HIGH', JSON.stringify(result));
      }
    });
    assert.match(said, /a worker failed/);
    await until(() => !spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout.includes(`${python} -I -m scripts.worker`));
  });
}

test('a worker that has said hello and then nothing costs its call the deadline, and the next call nothing', async () => {
  const python = standIn({ worker: `${HELLO} setInterval(() => {}, 1000)` });
  const { predict } = predictor({ python, workers: 1, timeoutMs: 1_500 });
  await logged(async () => {
    const started = performance.now();
    const { status, code } = await predict(...DEMO);
    assert.deepEqual([status, code], [503, 'timeout']);
    assert(performance.now() - started < 2_500);
    assert((await predict(...DEMO)).ok);
  });
});

test('where there is time, a process of its own answers in the place of a silent worker', async () => {
  const python = standIn({ worker: `${HELLO} setInterval(() => {}, 1000)` });
  const { predict } = predictor({ python, workers: 1, timeoutMs: 9_000 });
  const { result } = await logged(() => predict(...DEMO));
  assert(result.ok);
});

test('a worker that never says hello keeps a call no longer than two seconds', async () => {
  const python = standIn({ worker: 'setInterval(() => {}, 1000)' });
  const { predict } = predictor({ python, workers: 1 });
  const started = performance.now();
  assert((await predict(...DEMO)).ok);
  assert(performance.now() - started < 4_500);
});

test('the answer to a call that is over is never the answer to the next one', async () => {
  const reply = `((number) => { ${REPLY_PID} }).bind(undefined, number)`;
  const python = standIn({ worker: answering(`setTimeout(${reply}, number === 1 ? 800 : 0);`) });
  const { predict } = predictor({ python, workers: 1, maxQueue: 5 });
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 300);
  const first = predict('first', 'o', { signal: abort.signal });
  const next = predict('second', 'o');
  assert.equal((await first).code, 'aborted');
  assert.equal((await next).answer.intercept, 2);
});

test('a worker that answers after the deadline is replaced, and the next call is answered in time', async () => {
  const python = standIn({ worker: answering(`setTimeout(() => { ${REPLY_PID} }, 1600);`) });
  const { predict } = predictor({ python, workers: 1, timeoutMs: 1_000 });
  const { said } = await logged(async () => {
    assert.equal((await predict(...DEMO)).code, 'timeout');
    assert((await predict(...DEMO)).ok);
  });
  assert.match(said, /did not answer/);
});

test('a worker that works again is used again', async () => {
  const once = answering(`if (number === 2) process.exit(1); ${REPLY_PID}`);
  const python = standIn({ worker: once });
  const { predict } = predictor({ python, workers: 1 });
  await logged(async () => {
    const first = await predict(...DEMO);
    const failed = await predict(...DEMO);
    assert.equal(failed.answer.risk_level, 'HIGH');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const again = await predict(...DEMO);
    assert.notEqual(pidOf(again), pidOf(first));
    assert.equal(again.answer.intercept, 1);
  });
});

test('megabytes on stderr do not stop a worker', async () => {
  const python = standIn({ worker: answering(`process.stderr.write('x'.repeat(3 << 20)); ${REPLY_PID}`) });
  const { predict } = predictor({ python, workers: 1 });
  const { result, said } = await logged(async () => [await predict(...DEMO), await predict(...DEMO)]);
  assert.deepEqual(result.map(({ ok }) => ok), [true, true]);
  assert(said.length < 20_000);
});

test('a thousand calls at once on two workers: the queue is answered, the rest is refused', async () => {
  const python = standIn({ worker: answering(REPLY_PID) });
  const { predict } = predictor({ python, workers: 2, maxQueue: 100 });
  const all = await Promise.all(Array.from({ length: 1_000 }, () => predict(...DEMO)));
  assert.equal(all.filter(({ ok }) => ok).length, 102);
  assert.equal(all.filter(({ code }) => code === 'busy').length, 898);
});

test('kills, aborts, timeouts and broken lines at random moments: every call settles in time, and nothing is left', async () => {
  let seed = 20261126;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
  const python = standIn({
    predict: `setTimeout(() => process.stdout.write(${JSON.stringify(JSON.stringify(ANSWER))}), 5)`,
    worker: answering(`
      const fate = Number(line.user_id);
      if (fate < 0.03) process.exit(1);
      else if (fate < 0.06) require('fs').writeSync(1, '{"id": "');
      else if (fate < 0.08) require('fs').closeSync(1);
      else if (fate < 0.1) process.kill(process.pid, 'SIGKILL');
      else if (fate < 0.11) { /* says nothing */ }
      else setTimeout(() => { reply({ id: line.id, answer: { ...answer, user_id: line.user_id } }); }, 1000 * (fate % 0.01));
    `),
  });
  const one = createPredictor({ python, workers: 3, timeoutMs: 3_000, maxQueue: 1_000 });
  const counts = {};
  await logged(() =>
    Promise.all(
      Array.from({ length: 200 }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 3_000 * random()));
        const abort = new AbortController();
        if (random() < 0.2) setTimeout(() => abort.abort(), 30 * random());
        const user = String(random());
        const started = performance.now();
        const result = await one.predict(user, 'o', { signal: abort.signal });
        assert(performance.now() - started < 5_000, `${performance.now() - started} ms`);
        assert(!result.ok || [user, 'demo-learner'].includes(result.answer.user_id), 'the answer of another call');
        const how = result.ok ? 'ok' : result.code;
        counts[how] = (counts[how] ?? 0) + 1;
      }),
    ),
  );
  assert(counts.ok > 50, JSON.stringify(counts));
  assert.deepEqual(Object.keys(counts).filter((how) => !['ok', 'aborted', 'timeout'].includes(how)), []);
  await one.close();
  const mine = () => spawnSync('ps', ['--ppid', String(process.pid), '-o', 'stat=,args='], { encoding: 'utf8' }).stdout;
  await until(() => !mine().replace(/.*ps --ppid.*/, '').trim());
});
