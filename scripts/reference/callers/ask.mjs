// Asks for predictions from Node in one of two ways, again and again: `node ask.mjs python-shell|package PYTHON USER
// OBJECTIVE WHERE WORKERS`. Each line on stdin, {"requests", "at_once"}, is answered with the time of each call in
// milliseconds. WHERE is the directory from which the npm package is imported.
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [way, python, user, objective, where, workers] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));

async function pythonShell() {
  const { PythonShell } = await import(pathToFileURL(join(where, 'node_modules', 'python-shell', 'index.js')).href);
  const shell = new PythonShell(join(here, 'answer.py'), { mode: 'json', pythonPath: python });
  const waiting = [];
  shell.on('message', (answer) => waiting.shift()(answer));
  shell.on('stderr', () => {});
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      shell.send({ user_id: user, objective_id: objective });
    });
}

async function ourPackage() {
  const { createPredictor } = await import(pathToFileURL(join(where, 'dist', 'esm', 'index.js')).href);
  const predictor = createPredictor({ python, workers: Number(workers) });
  return async () => {
    const found = await predictor.predict(user, objective);
    return found.ok ? found.answer : found;
  };
}

const ask = await (way === 'package' ? ourPackage() : pythonShell());

async function caller(requests, times) {
  while (requests.left > 0) {
    requests.left -= 1;
    const began = performance.now();
    const answer = await ask();
    times.push(performance.now() - began);
    if (typeof answer?.probability !== 'number' || answer.degraded) {
      console.error(`no prediction from real rows: ${JSON.stringify(answer)}`);
      process.exit(1);
    }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { requests, at_once: atOnce } = JSON.parse(line);
  const times = [];
  const left = { left: requests };
  const began = performance.now();
  await Promise.all(Array.from({ length: atOnce }, () => caller(left, times)));
  console.log(JSON.stringify({ times, seconds: (performance.now() - began) / 1000 }));
}
process.exit(0);
