// Builds struggle-predictor-X.tgz: the compiled TypeScript as ES modules and as CommonJS, the templates, and the wheel
// of the Python command. Equal sources give an equal file.
// node build.mjs [--without-wheel] [DIRECTORY]
// PYTHON names the interpreter whose pip builds the wheel; by default `python`.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const words = process.argv.slice(2);
const withoutWheel = words[0] === '--without-wheel' && Boolean(words.shift()); // where Python has the predictor already
const output = resolve(words[0] ?? here);

function run(command, words, options = {}) {
  return execFileSync(command, words, { cwd: here, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options });
}

function compile() {
  const tsc = join(here, 'node_modules', 'typescript', 'bin', 'tsc');
  rmSync(join(here, 'dist'), { recursive: true, force: true });
  run(process.execPath, [tsc], { stdio: 'inherit' });
  run(process.execPath, [tsc, '--project', 'tsconfig.cjs.json'], { stdio: 'inherit' });
  writeFileSync(join(here, 'dist', 'cjs', 'package.json'), '{ "type": "commonjs" }\n');
}

/** The wheel of what is tracked, built in a copy: what earlier builds have left must not get into it. */
function buildWheel() {
  const copy = mkdtempSync(join(tmpdir(), 'struggle-wheel-'));
  try {
    for (const name of run('git', ['ls-files', '-z'], { cwd: root }).split('\0').filter(Boolean)) {
      mkdirSync(dirname(join(copy, name)), { recursive: true });
      cpSync(join(root, name), join(copy, name));
    }
    const wheel = join(here, 'wheel');
    rmSync(wheel, { recursive: true, force: true });
    const env = { ...process.env, SOURCE_DATE_EPOCH: '315532800' }; // the earliest time that a zip can hold
    const words = ['-m', 'pip', 'wheel', '--quiet', '--no-deps', '--disable-pip-version-check', '--wheel-dir', wheel, '.'];
    run(process.env.PYTHON || 'python', words, { cwd: copy, env });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const { version } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
compile();
if (!withoutWheel) {
  buildWheel();
  cpSync(join(root, 'LICENSE'), join(here, 'LICENSE'));
}
run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', output], { shell: process.platform === 'win32' });
console.log(join(output, `struggle-predictor-${version}.tgz`));
