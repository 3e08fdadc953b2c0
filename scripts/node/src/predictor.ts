// createPredictor(): predictions by processes of their own, or by workers.
import type { Answer } from './answer.js';
import { Deadline } from './deadline.js';
import { type PredictorOptions, type Setup, setupOf } from './options.js';
import { Places } from './places.js';
import { failed, OVER, type Prediction, type Question, type Tried } from './result.js';
import { predictOnce } from './single-shot.js';
import { Workers } from './workers.js';

const LONGEST_ID = 255;
const LANGUAGES = /^(en|de)([-_.@][A-Za-z0-9]{1,16}){0,4}$/i;
const AUDIENCES = /^(teacher|learner)$/;

export interface PredictOptions {
  /** Ends the call when it is aborted. */
  signal?: AbortSignal | undefined;
  /** The moment of the prediction, which sees nothing later: a Date, or a text in ISO 8601. By default now. */
  asOf?: Date | string | undefined;
  /** The language of the sentences: `en` or `de`, or a tag of theirs such as `de-AT`. By default STRUGGLE_LANGUAGE. */
  language?: string | undefined;
  /** Whom the sentences address. By default STRUGGLE_AUDIENCE, or else the teacher. What is stored is for a teacher. */
  audience?: Answer['audience'] | undefined;
}

/** Whether the learner will struggle with the objective. Never throws: what can go wrong is in the result. */
export type Predict = (userId: unknown, objectiveId: unknown, options?: PredictOptions) => Promise<Prediction>;

export interface Predictor {
  predict: Predict;
  /** Ends the workers, and refuses further calls. Not needed for Node to end. */
  close(): Promise<void>;
}

/** An id as it may come from outside: text of a bounded length that can be a process argument. */
export function isId(value: unknown): value is string {
  return (
    typeof value === 'string' && value.length > 0 && value.length <= LONGEST_ID &&
    !value.includes('\0') && value.isWellFormed()
  );
}

/**
 * A predictor, which starts nothing before it is first asked. It never throws: options that cannot work are each call's
 * failure. Equal options share their processes, whichever copy of this package a bundler has made.
 *
 * The result is also the function `predict` itself.
 */
export function createPredictor(options: PredictorOptions = {}): Predict & Predictor {
  const setup = setupOf(options);
  const pool = typeof setup === 'string' ? undefined : shared(setup);
  let closed = false;

  const ask = async (userId: unknown, objectiveId: unknown, asked: PredictOptions): Promise<Prediction> => {
    const { signal, asOf, language, audience } = asked;
    if (!isId(userId) || !isId(objectiveId)) {
      return failed(400, 'invalid_id', `userId and objectiveId must be text of 1 to ${LONGEST_ID} characters`);
    }
    const moment = momentOf(asOf);
    if (moment === null) return failed(400, 'invalid_as_of', 'asOf must be a valid Date, or text in ISO 8601');
    if (!isKnown(language, LANGUAGES)) return failed(400, 'invalid_language', 'language must be en or de');
    if (!isKnown(audience, AUDIENCES)) return failed(400, 'invalid_audience', 'audience must be teacher or learner');
    if (signal && typeof signal.addEventListener !== 'function') {
      return failed(500, 'configuration', 'signal must be an AbortSignal');
    }
    if (pool === undefined) return failed(500, 'configuration', String(setup));
    if (closed) return failed(503, 'closed', 'the predictor was closed');
    const words = { language: language ?? undefined, audience: audience ?? undefined };
    return pool.predict({ userId, objectiveId, asOf: moment, ...words }, signal ?? undefined);
  };
  const predict: Predict = (userId, objectiveId, options) =>
    ask(userId, objectiveId, options ?? {}).catch((error: unknown) => {
      console.error('struggle-predictor:', error);
      return failed(500, 'bug', 'the package failed; its log says where');
    });
  const close = async (): Promise<void> => {
    if (closed || pool === undefined) return;
    closed = true;
    await pool.leave();
  };
  return Object.assign(predict, { predict, close });
}

/** As the command takes it; undefined for now, null where it is no moment. */
function momentOf(asOf: unknown): string | undefined | null {
  if (asOf === undefined || asOf === null) return undefined;
  if (asOf instanceof Date) return Number.isNaN(asOf.getTime()) ? null : asOf.toISOString();
  return typeof asOf === 'string' && /^[0-9][0-9T:.Z+ -]{7,40}$/.test(asOf) ? asOf : null;
}

/** Whether a choice is left open, or is text that the command knows. */
function isKnown(choice: unknown, known: RegExp): boolean {
  return choice === undefined || choice === null || (typeof choice === 'string' && known.test(choice));
}

/** The processes of one setup. */
class Pool {
  users = 0;
  readonly #setup: Setup;
  readonly #key: string;
  readonly #places: Places;
  readonly #workers: Workers | undefined;

  constructor(setup: Setup, key: string) {
    this.#setup = setup;
    this.#key = key;
    this.#places = new Places(setup.places, setup.maxQueue);
    this.#workers = setup.workers > 0 ? new Workers(setup) : undefined;
  }

  async predict(question: Question, signal: AbortSignal | undefined): Promise<Prediction> {
    const deadline = new Deadline(this.#setup.timeoutMs, signal);
    try {
      const place = await this.#places.take(deadline);
      if (place === 'over') return deadline.failure();
      if (place === 'busy') return failed(503, 'busy', 'too many predictions are under way; ask again in a moment');
      const { prediction, over } = await this.#ask(place, question, deadline);
      void over.then(() => this.#places.give(place));
      return prediction ?? deadline.failure();
    } finally {
      deadline.settle();
    }
  }

  async #ask(place: number, question: Question, deadline: Deadline): Promise<Tried> {
    const tried = (await this.#workers?.ask(place, question, deadline)) ?? { prediction: undefined, over: OVER };
    return tried.prediction === undefined ? predictOnce(this.#setup, question, deadline) : tried;
  }

  /** One user less; the last one ends the workers. */
  async leave(): Promise<void> {
    this.users -= 1;
    if (this.users > 0) return;
    pools.delete(this.#key);
    await this.#workers?.close();
  }
}

/** Shared by all copies of this module: bundlers make one for each route, and `next dev` another at each change. */
const POOLS = Symbol.for('struggle-predictor.pools.1');
const pools: Map<string, Pool> = ((globalThis as { [POOLS]?: Map<string, Pool> })[POOLS] ??= new Map());

function shared(setup: Setup): Pool {
  const key = JSON.stringify(setup);
  const pool = pools.get(key) ?? new Pool(setup, key);
  pools.set(key, pool);
  pool.users += 1;
  return pool;
}
