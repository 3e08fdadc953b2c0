// The Python that answers: found, examined, and installed into .struggle/venv.
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { interpreterOf } from '../options.js';
import { parsed } from '../result.js';
import { inside, isDirectory, Refused, textOf } from './files.js';

export const VENV = '.struggle/venv';
const INSTALLED = '.struggle/installed';
const ON_PATH = ['python3.13', 'python3.12', 'python3.11', 'python3', 'python', 'py'];
const LEAST = 11; // Python 3.11
const WITHIN_MS = 20_000;
const INSTALLED_WITHIN_MS = 600_000;
const EXAMINE = `import importlib.metadata, json, sys
installed = any(importlib.metadata.distributions(name="struggle-predictor"))
print(json.dumps([list(sys.version_info[:2]), sys.executable, installed]))`;

export interface Interpreter {
  path: string;
  version: string;
  /** Whether the predictor is installed in it. */
  hasPredictor: boolean;
}

/** The wheel that this package carries. */
export function wheel(): { path: string; name: string; digest: string } {
  const folder = fileURLToPath(new URL('../../../wheel', import.meta.url));
  const name = readdirSync(folder).find((each) => each.endsWith('.whl'));
  if (name === undefined) throw new Refused(78, 'this package carries no wheel: it was not built by `npm run build`');
  const path = join(folder, name);
  return { path, name, digest: createHash('sha256').update(readFileSync(path)).digest('hex') };
}

/** The interpreter at `path`. Throws Refused where it does not run, or is too old. */
export function interpreterAt(path: string): Interpreter {
  const found = examined(/[/\\]/.test(path) ? resolve(path) : path);
  if (found === undefined) throw new Refused(78, `${path} does not run as Python 3.${LEAST} or newer`);
  return found;
}

/** The newest interpreter on PATH. Throws Refused where none is new enough. */
export function interpreterOnPath(): Interpreter {
  for (const name of ON_PATH) {
    const found = examined(name);
    if (found !== undefined) return found;
  }
  throw new Refused(78, `Python 3.${LEAST} or newer is not on PATH: install it, or name it with --python PATH`);
}

function examined(command: string): Interpreter | undefined {
  const ran = run(command, ['-I', '-c', EXAMINE], WITHIN_MS);
  const told = parsed(ran.stdout ?? '') as [[number, number], string, boolean] | undefined;
  if (ran.status !== 0 || !Array.isArray(told)) return undefined;
  const [[major, minor], executable, hasPredictor] = told;
  if (major !== 3 || minor < LEAST) return undefined;
  return { path: executable, version: `${major}.${minor}`, hasPredictor };
}

/** Whether .struggle/venv holds what this package's wheel holds, something else that init has made, or the app's own. */
export function installed(root: string): 'this' | 'another' | 'foreign' | 'none' {
  if (!isDirectory(root, inside(root, VENV))) return 'none';
  const marked = textOf(root, INSTALLED)?.trim();
  if (marked === undefined) return 'foreign';
  return marked === wheel().digest && existsSync(interpreterOf(inside(root, VENV))) ? 'this' : 'another';
}

/** Makes .struggle/venv and installs the wheel; what it depends on comes from where pip is told to look. */
export function install(root: string, interpreter: Interpreter): void {
  const venv = inside(root, VENV);
  const { path, digest } = wheel();
  const marker = inside(root, INSTALLED);
  const ignored = inside(root, '.struggle/.gitignore');
  mkdirSync(inside(root, '.struggle'), { recursive: true });
  if (!existsSync(ignored)) writeFileSync(ignored, '*\n', { flag: 'wx' });
  writeFileSync(marker, 'unfinished\n');
  rmSync(venv, { recursive: true, force: true });
  try {
    succeed(run(interpreter.path, ['-I', '-m', 'venv', venv], INSTALLED_WITHIN_MS), 'the virtual environment');
    const pip = ['-I', '-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', path];
    succeed(run(interpreterOf(venv), pip, INSTALLED_WITHIN_MS), 'the predictor');
  } catch (error) {
    rmSync(venv, { recursive: true, force: true });
    throw error;
  }
  writeFileSync(marker, `${digest}\n`);
}

function succeed(ran: SpawnSyncReturns<string>, what: string): void {
  if (ran.status === 0) return;
  const said = `${ran.stdout ?? ''}${ran.stderr ?? ''}`.trim().slice(-2000);
  throw new Refused(78, `${what} could not be installed: ${said || ran.error?.message || ran.signal}`);
}

/** No installation needs the database, and it is nobody's business there. */
function run(command: string, words: string[], timeout: number): SpawnSyncReturns<string> {
  const { DATABASE_URL: _, ...env } = process.env;
  return spawnSync(command, words, { encoding: 'utf8', env, timeout, windowsHide: true });
}
