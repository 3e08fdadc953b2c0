// Predictions by one process each: with the real command, and with programs that end as no command should.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPredictor, isId } from '../dist/esm/index.js';
import { ANSWER, DEMO, folder, lives, logged, predictor, PYTHON, standIn } from './support.mjs';

const AS_OF = '2025-10-10T09:00:00.000Z';

test('the answer is what the command prints', async () => {
  const { stdout } = spawnSync(PYTHON, ['-I', '-m', 'predict', '--as-of', AS_OF, ...DEMO], { encoding: 'utf8' });
  const asked = predictor();
  for (const asOf of [AS_OF, new Date(AS_OF)]) {
    assert.deepEqual(await asked.predict(...DEMO, { asOf }), { ok: true, answer: JSON.parse(stdout) });
  }
  const now = await asked(...DEMO);
  assert.equal(now.answer.risk_level, 'HIGH');
  const { predict } = asked;
  assert.equal((await predict(...DEMO)).answer.probability, now.answer.probability);
});

test('CommonJS has the same package', () => {
  const script = `
    const { createPredictor } = require(${JSON.stringify(join(import.meta.dirname, '..'))});
    createPredictor().predict('demo-learner', 'action-potentials').then(({ ok }) => console.log(ok));
  `;
  const env = { ...process.env, STRUGGLE_PYTHON: PYTHON };
  assert.equal(spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', env }).stdout, 'true\n');
});

for (const id of ['-h', '--doctor', '--as-of=x', '--', '$(id)', "'; drop table users; --", 'a\nb', '😀', 'C:\\x', 'x'.repeat(255)]) {
  test(`an unknown id is 404, whatever it looks like: ${JSON.stringify(id.slice(0, 30))}`, async () => {
    const { predict } = predictor();
    for (const options of [{}, { asOf: AS_OF }]) {
      const { status, code } = await predict(id, 'action-potentials', options);
      assert.deepEqual([status, code], [404, 'unknown_learner']);
      const other = await predict('demo-learner', id, options);
      assert.deepEqual([other.status, other.code], [404, 'unknown_objective']);
    }
  });
}

test('what cannot be an id or a moment is 400 and starts no process', async () => {
  const { predict } = createPredictor({ python: '/nowhere/python' });
  for (const id of ['', 'a\0b', 'x'.repeat(256), 'x'.repeat(1 << 22), '\ud800', undefined, null, 7, {}, ['a'], true, Symbol('a')]) {
    assert.equal(isId(id), false);
    for (const { status, code } of [await predict(id, 'b'), await predict('a', id)]) {
      assert.deepEqual([status, code], [400, 'invalid_id']);
    }
  }
  for (const asOf of [new Date(NaN), '', 'tomorrow', '--doctor', 7, {}, '2025-10-10\0', '2025-10-10 \n--doctor']) {
    const { status, code } = await predict('a', 'b', { asOf });
    assert.deepEqual([status, code], [400, 'invalid_as_of'], String(asOf));
  }
  const refused = await predictor().predict(...DEMO, { asOf: '2025-99-99T00:00:00Z' });
  assert.deepEqual([refused.status, refused.code], [400, 'usage']); // the command knows the calendar
});

test('each call chooses the words of its answer, by a process and by a worker', async () => {
  for (const workers of [0, 1]) {
    const { predict } = predictor({ workers });
    const { answer } = await predict(...DEMO, { language: 'de-AT', audience: 'learner' });
    assert.deepEqual([answer.language, answer.audience], ['de', 'learner']);
    assert.match(answer.reasoning, /; dein nächster Schritt: /);
    assert.equal((await predict('-h', DEMO[1], { language: 'de' })).code, 'unknown_learner');
    assert.equal((await predict(...DEMO, { language: null, audience: undefined })).answer.language, 'en');
  }
  const { predict } = createPredictor({ python: '/nowhere/python' });
  for (const language of ['', 'fr', 'de --doctor', 'de\n', '--doctor', 7, {}]) {
    assert.equal((await predict(...DEMO, { language })).code, 'invalid_language', String(language));
  }
  for (const audience of ['', 'parent', 'learner ', 7]) {
    assert.equal((await predict(...DEMO, { audience })).code, 'invalid_audience', String(audience));
  }
});

test('what is no signal and no object of options is not thrown either', async () => {
  const { predict } = predictor();
  for (const signal of ['now', {}, 7]) assert.equal((await predict(...DEMO, { signal })).code, 'configuration');
  for (const options of [null, undefined, {}, { signal: null, asOf: null }]) assert((await predict(...DEMO, options)).ok);
  const script = `
    process.chdir(require('fs').mkdtempSync('/tmp/gone-')); require('fs').rmdirSync(process.cwd());
    const { createPredictor } = require(${JSON.stringify(join(import.meta.dirname, '..'))});
    createPredictor({ python: './python' }).predict('a', 'b').then(({ code }) => console.log(code));
  `;
  assert.match(spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout, /^(configuration|not_started)\n$/);
});

test('options that cannot work are a failure of each call, not an exception', async () => {
  const wrong = [
    null, 7, { python: 'python3' }, { python: '' }, { python: 'a\0/b' }, { python: 7 }, { databaseUrl: 'file:\0secret' },
    { databaseUrl: '' }, { schema: {} }, { model: 7 }, { workers: -1 }, { workers: 1.5 }, { workers: NaN },
    { workers: '2' }, { workers: 257 }, { maxQueue: -1 }, { maxQueue: NaN }, { timeoutMs: 0 }, { timeoutMs: Infinity },
  ];
  for (const options of wrong) {
    const { status, code, message } = await createPredictor(options).predict('a', 'b');
    assert.deepEqual([status, code], [500, 'configuration'], JSON.stringify(options));
    assert.doesNotMatch(message, /secret/);
  }
});

test('whatever the system refuses is said, not thrown', async () => {
  const plain = join(folder, 'a-file');
  writeFileSync(plain, '');
  const circle = join(folder, 'circle');
  symlinkSync(circle, circle);
  const refused = [join(plain, 'python'), join(circle, 'x'), `/${'x'.repeat(300)}`, plain, folder, '/no/python', 'C:\\Python\\python.exe'];
  for (const python of refused) {
    for (const workers of [0, 1]) {
      const { result, said } = await logged(() => predictor({ python, workers }).predict(...DEMO));
      assert.deepEqual([result.status, result.code], [500, 'not_started'], python);
      assert.equal(/a worker failed/.test(said), workers === 1);
    }
  }
  const without = await logged(() => predictor({ python: standIn({ predict: 'process.exit(1)' }) }).predict('a', 'b'));
  assert.deepEqual([without.result.status, without.result.code], [500, 'not_started']);
  const much = predictor({ databaseUrl: `file:/${'x'.repeat(3_000_000)}` }); // E2BIG
  assert.equal((await much.predict(...DEMO)).code, 'not_started');
});

test('the process sees the variables that it needs, and the database by no argument', async () => {
  process.env.SECRET_OF_THE_APP = 'x';
  process.env.PGSSLMODE = 'require';
  process.env.STRUGGLE_TOKEN = 'x';
  process.env.POSTGRES_URL = 'of the environment';
  const schema = join(folder, 'a schema.prisma');
  writeFileSync(schema, 'datasource db {\n  provider = "postgresql"\n  url = env("POSTGRES_URL")\n}\n');
  const python = standIn({
    predict: `console.log(JSON.stringify({ error: { code: 'seen', message: JSON.stringify([process.argv, process.env]) } })); process.exitCode = 78`,
  });
  const databaseUrl = `postgresql://me:"p%40'$(id)\`x\`@localhost/a b?schema=c`;
  const seen = async (options) => JSON.parse((await predictor({ python, ...options }).predict('a', 'b')).message);
  const [argv, env] = await seen({ databaseUrl, schema, model: 'rules' });
  assert.deepEqual(argv.slice(2), ['-I', '-m', 'predict', 'a', 'b']);
  assert.deepEqual([env.DATABASE_URL, env.POSTGRES_URL], [databaseUrl, databaseUrl]);
  assert.deepEqual([env.STRUGGLE_SCHEMA, env.STRUGGLE_MODEL, env.PGSSLMODE], [schema, 'rules', 'require']);
  const allowed = /^(DATABASE_URL|POSTGRES_URL|STRUGGLE_(SCHEMA|MODEL|ENV_FILE|MODELS_DIR|CORRECT_FROM|LANGUAGE|AUDIENCE)|PG[A-Z]+|HOME|TMPDIR|LD_LIBRARY_PATH|SSL_CERT_(FILE|DIR))$/;
  assert.deepEqual(Object.keys(env).filter((name) => !allowed.test(name)), []);
  assert.equal((await seen({ schema }))[1].POSTGRES_URL, 'of the environment');
  for (const name of ['SECRET_OF_THE_APP', 'PGSSLMODE', 'STRUGGLE_TOKEN', 'POSTGRES_URL']) delete process.env[name];
});

test('a password of the database is in no result and in no log', async () => {
  const databaseUrl = 'postgresql://me:pa%24%24word@127.0.0.1:1/none';
  const { result, said } = await logged(() => predictor({ databaseUrl }).predict(...DEMO));
  assert.equal(result.answer.degraded_code, 'database_unreachable');
  assert.doesNotMatch(JSON.stringify(result) + said, /pa(%24%24|\$\$)word/);
});

for (const [exit, status] of [[2, 400], [66, 404], [69, 503], [70, 500], [74, 500], [78, 500], [130, 503], [143, 503]]) {
  test(`exit code ${exit} becomes ${status}, with the code and message that were printed`, async () => {
    const python = standIn({ predict: `console.log('{"error": {"code": "why", "message": "because"}}'); process.exitCode = ${exit}` });
    assert.deepEqual(await predictor({ python }).predict('a', 'b'), { ok: false, status, code: 'why', message: 'because' });
  });
}

test('no JSON, half of it, or JSON that is no answer is a clear 500', async () => {
  for (const printed of ['', 'Traceback', '{"probability": 0.5', '{"probability": 0.5}', 'null', '[]', '3']) {
    const python = standIn({ predict: `process.stdout.write(${JSON.stringify(printed)})` });
    const { status, code } = await predictor({ python }).predict('a', 'b');
    assert.deepEqual([status, code], [500, 'unreadable'], printed);
  }
});

test('megabytes on stderr are read and mostly dropped; megabytes on stdout are stopped', async () => {
  const answer = JSON.stringify(JSON.stringify(ANSWER));
  const loud = standIn({ predict: `process.stderr.write('x'.repeat(5 << 20)); process.stdout.write(${answer})` });
  const { result, said } = await logged(() => predictor({ python: loud }).predict('a', 'b'));
  assert.deepEqual(result, { ok: true, answer: ANSWER });
  assert(said.length < 5_000 && /more characters/.test(said));
  const python = standIn({ predict: `process.stdout.write('x'.repeat(3 << 20)); setInterval(() => {}, 1000)` });
  const { status, code } = await predictor({ python }).predict('a', 'b');
  assert.deepEqual([status, code], [500, 'unreadable']);
});

test('an answer that came whole counts, however the process ended', async () => {
  const text = JSON.stringify(JSON.stringify(ANSWER));
  const hung = `setInterval(() => {}, 1000)`;
  for (const end of ['process.exitCode = 74', `process.kill(process.pid, 'SIGKILL')`, hung]) {
    const python = standIn({ predict: `require('fs').writeSync(1, ${text}); ${end}` });
    const timeoutMs = end === hung ? 1_000 : 5_000;
    assert.deepEqual(await predictor({ python, timeoutMs }).predict('a', 'b'), { ok: true, answer: ANSWER });
  }
});

test('a process that somebody else kills in the middle of its answer is 503', async () => {
  const python = standIn({ predict: `require('fs').writeSync(1, '{"probability": '); process.kill(process.pid, 'SIGKILL')` });
  const { status, code } = await predictor({ python }).predict('a', 'b');
  assert.deepEqual([status, code], [503, 'killed']);
});

test('a process that hangs is killed at the deadline, and gone', async () => {
  const pidFile = join(folder, 'pid-of-a-hanging-one');
  const python = standIn({
    predict: `process.on('SIGTERM', () => {}); require('fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));
      require('child_process').spawn('sleep', ['3'], { stdio: 'inherit', detached: true }).unref(); setInterval(() => {}, 1000)`,
  });
  const started = performance.now();
  const result = await predictor({ python, timeoutMs: 1_000 }).predict('a', 'b');
  const took = performance.now() - started;
  assert.deepEqual([result.status, result.code], [503, 'timeout']);
  assert(took >= 990 && took < 2_500, `${took} ms`);
  const { readFileSync } = await import('node:fs');
  const pid = Number(readFileSync(pidFile, 'utf8'));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert(!lives(pid));
});

test('an aborted call settles at once: before it, in the queue, under way; afterwards it changes nothing', async () => {
  const python = standIn({ predict: 'setInterval(() => {}, 1000)' });
  const hanging = predictor({ python });
  assert.equal((await hanging.predict('a', 'b', { signal: AbortSignal.abort() })).code, 'aborted');
  const all = Array.from({ length: availableParallelism() + 3 }, () => new AbortController());
  const calls = all.map(({ signal }) => hanging.predict('a', 'b', { signal }));
  const started = performance.now();
  setTimeout(() => all.reverse().forEach((each) => each.abort()), 50);
  for (const { status, code } of await Promise.all(calls)) assert.deepEqual([status, code], [503, 'aborted']);
  assert(performance.now() - started < 2_000);
  const late = new AbortController();
  const answered = await predictor().predict(...DEMO, { signal: late.signal });
  late.abort();
  assert(answered.ok);
});

test('a thousand calls at once: as many as fit are answered, the rest is refused at once, and no place is lost', async () => {
  const warnings = [];
  process.on('warning', (warning) => warnings.push(warning));
  const { signal } = new AbortController();
  const asked = predictor({ maxQueue: 10, timeoutMs: 60_000 });
  const started = performance.now();
  let lastBusy = 0;
  const all = await Promise.all(
    Array.from({ length: 1_000 }, async () => {
      const result = await asked.predict(...DEMO, { signal });
      if (result.code === 'busy') lastBusy = performance.now() - started;
      return result;
    }),
  );
  const answered = all.filter(({ ok }) => ok).length;
  assert.equal(answered, availableParallelism() + 10);
  assert(all.every(({ ok, status, code }) => ok || (status === 503 && code === 'busy')));
  assert(lastBusy < 2_000, `${lastBusy} ms`);
  assert((await asked.predict(...DEMO)).ok);
  assert.deepEqual(warnings, []);
});

test('a closed predictor refuses', async () => {
  const closed = createPredictor({ python: PYTHON });
  await closed.close();
  await closed.close();
  assert.equal((await closed.predict(...DEMO)).code, 'closed');
});
