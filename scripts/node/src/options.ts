// What createPredictor() is given, checked once.
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { environmentOf } from './environment.js';

export interface PredictorOptions {
  /**
   * The path of the Python interpreter in which the predictor is installed. By default STRUGGLE_PYTHON, or else the
   * interpreter of `.struggle/venv`, which `struggle-predictor init` makes in the application's directory.
   */
  python?: string | undefined;
  /** The database's URL as Prisma writes it; by default DATABASE_URL. It is passed on by the environment only. */
  databaseUrl?: string | undefined;
  /** The path of the application's schema.prisma; by default STRUGGLE_SCHEMA. */
  schema?: string | undefined;
  /** The path of the model that answers, or `rules`; by default STRUGGLE_MODEL. */
  model?: string | undefined;
  /** How many Python processes are kept alive; 0, the default, starts one process per prediction. */
  workers?: number | undefined;
  /** How many calls may wait while all processes are busy; by default fifty per process. More are refused as "busy". */
  maxQueue?: number | undefined;
  /** Within how many milliseconds a call is settled, the time in the queue included; by default 5,000. */
  timeoutMs?: number | undefined;
}

/** The options as they are used. */
export interface Setup {
  python: string;
  env: Record<string, string>;
  workers: number;
  /** How many predictions may be under way at once. */
  places: number;
  maxQueue: number;
  timeoutMs: number;
}

const MOST_WORKERS = 256;
const WAITING_PER_PLACE = 50; // about as many as one process after the other answers within the timeout
const TIMEOUT_MS = 5_000; // the command has a deadline of its own, at four seconds
const LONGEST_TIMEOUT_MS = 10 * 60_000;
const TEXTS = ['python', 'databaseUrl', 'schema', 'model'] as const;

/** The interpreter in the virtual environment at `venv`. */
export function interpreterOf(venv: string): string {
  return process.platform === 'win32' ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');
}

/** The options as they are used, or a sentence that says what is wrong with them; it holds no value of theirs. */
export function setupOf(options: PredictorOptions): Setup | string {
  if (typeof options !== 'object' || options === null) return 'createPredictor() takes an object of options';
  for (const name of TEXTS) {
    const value: unknown = options[name];
    if (value !== undefined && (typeof value !== 'string' || value.includes('\0'))) return `${name} must be text`;
    if (value?.toString().trim() === '') return `${name} must not be empty`;
  }
  const { workers = 0, timeoutMs = TIMEOUT_MS } = options;
  const places = workers || availableParallelism(); // a process that answers keeps one core busy
  const { maxQueue = places * WAITING_PER_PLACE } = options;
  for (const [name, value, least, most] of [
    ['workers', workers, 0, MOST_WORKERS],
    ['maxQueue', maxQueue, 0, Number.MAX_SAFE_INTEGER],
    ['timeoutMs', timeoutMs, 1, LONGEST_TIMEOUT_MS],
  ] as const) {
    if (!Number.isInteger(value) || value < least || value > most) {
      return `${name} must be a whole number from ${least} to ${most}`;
    }
  }
  const python = options.python ?? (process.env.STRUGGLE_PYTHON?.trim() || interpreterOf(join('.struggle', 'venv')));
  if (!/[/\\]/.test(python)) return 'python must be a path: the command of that name is seldom the right one';
  let path: string;
  try {
    path = resolve(/* turbopackIgnore: true */ python);
  } catch {
    return 'the working directory is gone';
  }
  return {
    python: path,
    env: environmentOf({ databaseUrl: options.databaseUrl, schema: options.schema, model: options.model }),
    workers,
    places,
    maxQueue,
    timeoutMs,
  };
}
