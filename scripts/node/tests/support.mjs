// What the tests share: the built package, the real Python, and programs that stand in for it where it has to fail.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, afterEach } from 'node:test';
import { createPredictor } from '../dist/esm/index.js';

if (!process.env.STRUGGLE_PYTHON) throw new Error('STRUGGLE_PYTHON must name an interpreter that has the predictor');
export const PYTHON = resolve(process.env.STRUGGLE_PYTHON);
export const DEMO = ['demo-learner', 'action-potentials'];
export const folder = mkdtempSync(join(tmpdir(), 'struggle node ')); // with blanks in its name
after(() => rmSync(folder, { recursive: true }));

const made = [];
afterEach(() => Promise.all(made.splice(0).map((predictor) => predictor.close())));

/** A predictor that is closed after the test. */
export function predictor(options = {}) {
  const one = createPredictor({ python: PYTHON, ...options });
  made.push(one);
  return one;
}

let count = 0;

/**
 * The path of a program in Python's place: `predict` and `worker` are the JavaScript that it runs for these modules.
 * Without `predict`, the real command answers. In both, `words` are the arguments behind the module's name.
 */
export function standIn({ predict = REAL, worker = 'process.exit(1)' } = {}) {
  const path = join(folder, `python ${(count += 1)}`);
  writeFileSync(path, `#!${process.execPath}
const at = process.argv.indexOf('-m');
const words = process.argv.slice(at + 2);
if (process.argv[at + 1] === 'predict') { ${predict} } else { ${worker} }
`);
  chmodSync(path, 0o755);
  return path;
}

const REAL = `
  const { spawnSync } = require('node:child_process');
  process.exitCode = spawnSync(${JSON.stringify(PYTHON)}, ['-I', '-m', 'predict', ...words], { stdio: 'inherit' }).status;
`;

export const HELLO = `console.log('{"protocol": 1, "version": "1", "model_version": "m"}');`;

/** A worker's JavaScript: says hello, and runs `body` for each request `line`, with `reply(...)` to answer. */
export function answering(body) {
  return `
    ${HELLO}
    const answer = ${JSON.stringify(ANSWER)};
    const reply = (more) => console.log(JSON.stringify(more));
    let number = 0;
    require('node:readline').createInterface({ input: process.stdin }).on('line', (text) => {
      const line = JSON.parse(text); number += 1;
      ${body}
    }).on('close', () => process.exit(0));
  `;
}

const printed = spawnSync(PYTHON, ['-I', '-m', 'predict', ...DEMO], { encoding: 'utf8' });
export const ANSWER = JSON.parse(printed.stdout);

/** What console.error is given while `call` runs. */
export async function logged(call) {
  const lines = [];
  const error = console.error;
  console.error = (line) => lines.push(String(line));
  try {
    return { result: await call(), said: lines.join('\n') };
  } finally {
    console.error = error;
  }
}

/** Whether there is a process of this id. */
export function lives(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until `condition` holds, for at most ten seconds. */
export async function until(condition) {
  for (const end = performance.now() + 10_000; !condition(); ) {
    if (performance.now() > end) throw new Error(`never came true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
