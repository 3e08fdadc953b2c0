// Calls predict.py. STRUGGLE_PYTHON and STRUGGLE_PREDICT name the interpreter and the script, both as absolute paths.
import { execFile, type ExecFileException } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { isAbsolute } from 'node:path';

export type RiskLevel = 'LOW' | 'MEDIUM' | 'HIGH';

/** One feature's part in the answer, positive towards struggle; `value` is null without data. */
export interface Factor {
  feature: string;
  value: number | null;
  /** In logits. */
  contribution: number;
  /** Its share of the probability minus the base; rows that were stored by version 1 have none. */
  points?: number;
  /** The prerequisites behind it that are not mastered, the least mastered first. */
  objectives?: { id: string; name: string; mastery: number }[];
  text: string;
  /** The text in English for a teacher, where `text` is in other words; store this one. */
  stored_text?: string;
}

/** Every feature as a number in 0..1, and what retraining and monitoring need; store it as it is. */
export type Features = Record<string, number | string | string[] | Levels | null>;

/** The thresholds of a deployment: its own from levels.json, or the platform's. */
export type Levels = {
  medium_from: number;
  high_from: number;
  operating_threshold: number;
  from: 'default' | 'levels.json';
};

/** A sign of struggle, for the app's struggle_indicators; `context` holds the feature behind it and its value. */
export interface Indicator {
  indicator_type: string;
  severity: 'MEDIUM' | 'HIGH';
  context: Record<string, number | string | null>;
}

/** The difference since an earlier prediction that was stored; `factors` is null where another model made that one. */
export interface Change {
  difference: number;
  since: string;
  probability: number;
  model_version: string | null;
  factors: { feature: string; before: number | null; value: number | null; points: number; text: string; stored_text?: string }[] | null;
  text: string;
  stored_text?: string;
}

/** A change that would help: the probability after it, and by how much that is lower. */
export interface Advice {
  kind: 'master_prerequisite' | 'review_now' | 'next_three_right' | 'lighter_day';
  objective_id: string | null;
  objective_name: string | null;
  probability: number;
  drop: number;
  /** Whether the difference was learned from outcomes, or stated by the platform or its rules. */
  basis: 'learned' | 'stated' | 'mixed';
  text: string;
  stored_text?: string;
  /** The rows that would make the change; stored predictions keep none. */
  rows?: Record<string, unknown>[];
}

/** What predict.py prints on exit code 0. */
export interface Answer {
  schema_version: number;
  user_id: string;
  objective_id: string;
  as_of: string;
  probability: number;
  confidence: number;
  risk_level: RiskLevel;
  levels: Levels;
  interval: [low: number, high: number];
  reasoning: string;
  factors: Factor[];
  intercept: number;
  /** The probability that the factors start from. */
  base: number;
  /** At most three, the largest drop first. */
  advice: Advice[];
  change: Change | null;
  model_version: string;
  source: 'model' | 'rules';
  missing_sources: string[];
  /** Why the answer rests on default features, in words for anybody; empty when all is well. */
  degraded: string;
  /** The same for programs, such as "database_late". */
  degraded_code: string;
  /** The id of the row for this learner, this objective and the day of `prediction_date`. */
  prediction_id: string;
  /** The last millisecond of the day that the prediction is about. */
  prediction_date: string;
  topic_id: string | null;
  indicators: Indicator[];
  features: Features;
}

/** Why there is no answer: `status` for HTTP, `code` for programs, `message` for people. */
export interface Failure {
  status: 400 | 404 | 500 | 503;
  code: string;
  message: string;
}

export type Prediction = { ok: true; answer: Answer } | ({ ok: false } & Failure);

const TIMEOUT_MS = 5_000; // waiting for a place included; predict.py has a deadline of its own, at four seconds
const LATEST_START_MS = 4_500; // what starts later could not answer in time
const WAITING_PER_CHILD = 50; // about as many as one child after the other answers within the timeout
const MAX_OUTPUT_BYTES = 1 << 20;
const LONGEST_ID = 255;

const STATUS_OF_EXIT: Readonly<Record<number, Failure['status']>> = {
  2: 400, // the arguments are invalid
  66: 404, // learner or objective unknown
  69: 503, // database unreachable, or deadline passed
  78: 500, // configuration
  130: 503, // stopped by SIGINT
  143: 503, // stopped by SIGTERM
};

/** An id as it may come from outside: text of a bounded length that can be a process argument. */
export function isId(value: unknown): value is string {
  return (
    typeof value === 'string' && value.length > 0 && value.length <= LONGEST_ID &&
    !value.includes('\0') && value.isWellFormed()
  );
}

/** Whether the learner will struggle with the objective. Never throws: what can go wrong is in the result. */
export async function predictStruggle(userId: unknown, objectiveId: unknown): Promise<Prediction> {
  if (!isId(userId) || !isId(objectiveId)) {
    return failed(400, 'invalid_id', `userId and objectiveId must be text of 1 to ${LONGEST_ID} characters`);
  }
  const python = process.env.STRUGGLE_PYTHON ?? '';
  const script = process.env.STRUGGLE_PREDICT ?? '';
  if (!isAbsolute(python) || !isAbsolute(script)) {
    return failed(500, 'configuration', 'STRUGGLE_PYTHON and STRUGGLE_PREDICT must be absolute paths');
  }
  const giveUpAt = performance.now() + TIMEOUT_MS;
  if (!(await taken())) return failed(503, 'busy', 'too many predictions are under way; ask again in a moment');
  try {
    return await run(python, [script, userId, objectiveId], Math.ceil(giveUpAt - performance.now()));
  } finally {
    given();
  }
}

/** The children under way, and who waits for a place; shared by all copies of this module that a bundler makes. */
interface Places {
  running: number;
  waiting: (() => void)[];
}
const places: Places = ((globalThis as typeof globalThis & { strugglePlaces?: Places }).strugglePlaces ??= {
  running: 0,
  waiting: [],
});

/** Children at once: STRUGGLE_CHILDREN, by default the processor's cores, since each child keeps one busy. */
function mostChildren(): number {
  const wanted = Number(process.env.STRUGGLE_CHILDREN);
  return Number.isInteger(wanted) && wanted > 0 ? wanted : availableParallelism();
}

/** Takes a place for a child, waiting for one if need be; false where the line is too long, or did not move in time. */
function taken(): Promise<boolean> {
  const most = mostChildren();
  if (places.running < most) {
    places.running += 1;
    return Promise.resolve(true);
  }
  if (places.waiting.length >= most * WAITING_PER_CHILD) return Promise.resolve(false);
  return new Promise((resolve) => {
    const mine = () => {
      clearTimeout(patience);
      resolve(true);
    };
    const patience = setTimeout(() => {
      places.waiting.splice(places.waiting.indexOf(mine), 1);
      resolve(false);
    }, LATEST_START_MS);
    places.waiting.push(mine);
  });
}

/** Gives the place to whoever has waited longest. */
function given(): void {
  const next = places.waiting.shift();
  if (next) next();
  else places.running -= 1;
}

/** One child, from its start to its end. */
function run(python: string, words: string[], timeout: number): Promise<Prediction> {
  return new Promise((resolve) => {
    const giveUpAt = performance.now() + timeout;
    try {
      execFile(
        /* turbopackIgnore: true */ python, // known at run time only: nothing for the bundler to trace
        words, // no shell: an id stays one argument, whatever it holds
        { timeout, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES, windowsHide: true },
        (error, stdout, stderr) => {
          if (stderr) console.error(stderr.trimEnd());
          resolve(read(error, stdout, performance.now() >= giveUpAt));
        },
      );
    } catch (error) {
      // Some of the system's refusals (E2BIG, ENOTDIR, ELOOP, ENAMETOOLONG, ENOMEM) are thrown, not called back.
      resolve(notStarted((error as NodeJS.ErrnoException).code));
    }
  });
}

/** What the child said. An answer that came whole counts, however the child ended; failures are JSON on any exit code. */
function read(error: ExecFileException | null, stdout: string, late: boolean): Prediction {
  const printed = parse(stdout);
  if (isAnswer(printed)) return { ok: true, answer: printed };
  // Under load a child may end by itself just as it is killed: then there is no error, and no output either.
  if (error?.killed || (error === null && late)) {
    return failed(503, 'timeout', `predict.py gave no answer within ${TIMEOUT_MS} ms`);
  }
  if (error === null) return failed(500, 'unreadable', 'predict.py printed no answer');
  if (error.signal) return failed(503, 'killed', `predict.py was stopped by ${error.signal}`);
  if (typeof error.code !== 'number') return notStarted(error.code);
  const status = STATUS_OF_EXIT[error.code] ?? 500;
  if (isFailure(printed)) return failed(status, printed.error.code, printed.error.message);
  // Python itself ends with 2 where it finds no script: that is not the caller's mistake.
  if (error.code === 2) return notStarted('exit code 2, no JSON');
  return failed(status < 500 ? 500 : status, 'unreadable', `predict.py ended with exit code ${error.code} and no JSON`);
}

function notStarted(why: unknown): Prediction {
  return failed(500, 'not_started', `predict.py could not be run (${why})`);
}

function failed(status: Failure['status'], code: string, message: string): Prediction {
  return { ok: false, status, code, message };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAnswer(value: unknown): value is Answer {
  return (
    isObject(value) && typeof value.probability === 'number' && typeof value.confidence === 'number' &&
    typeof value.risk_level === 'string' && typeof value.reasoning === 'string' &&
    typeof value.degraded === 'string' && Array.isArray(value.factors) && isObject(value.features)
  );
}

function isFailure(value: unknown): value is { error: { code: string; message: string } } {
  return (
    isObject(value) && isObject(value.error) &&
    typeof value.error.code === 'string' && typeof value.error.message === 'string'
  );
}
