// What predict() gives back: an answer, or why there is none.
import type { Answer, CommandCode } from './answer.js';

/** The package's own reasons why there is no answer. */
export type PackageCode =
  | 'aborted' | 'bug' | 'busy' | 'closed' | 'configuration' | 'invalid_as_of' | 'invalid_audience' | 'invalid_id'
  | 'invalid_language' | 'killed' | 'not_started'
  | 'timeout' | 'unreadable';

/** Why there is no answer: `status` for HTTP, `code` for programs, `message` for people. */
export interface Failure {
  status: 400 | 404 | 500 | 503;
  /** Later versions may add codes. */
  code: CommandCode | PackageCode | (string & {});
  message: string;
}

export type Prediction = { ok: true; answer: Answer } | ({ ok: false } & Failure);

/** What predict() was asked, as the command takes it. */
export interface Question {
  userId: string;
  objectiveId: string;
  /** ISO 8601; undefined for now. */
  asOf: string | undefined;
  /** Of the sentences; undefined for the environment's. */
  language: string | undefined;
  audience: string | undefined;
}

/** One way of answering, tried: undefined where it gave nothing. `over` resolves when its process is free or gone. */
export interface Tried {
  prediction: Prediction | undefined;
  over: Promise<void>;
}

export const OVER: Promise<void> = Promise.resolve();

const STATUS_OF_EXIT: Readonly<Record<number, Failure['status']>> = {
  2: 400, // the arguments are invalid
  66: 404, // the learner or the objective is unknown
  69: 503, // the database is unreachable, or the deadline has passed
  78: 500, // configuration
  130: 503, // stopped by SIGINT
  143: 503, // stopped by SIGTERM
};

export function failed(status: Failure['status'], code: Failure['code'], message: string): Prediction {
  return { ok: false, status, code, message };
}

/** The failure that the command or a worker reports; undefined where `reported` is not the error of either. */
export function reportedFailure(exitCode: number, reported: unknown): Prediction | undefined {
  if (!isObject(reported) || typeof reported.code !== 'string' || typeof reported.message !== 'string') return undefined;
  return failed(STATUS_OF_EXIT[exitCode] ?? 500, reported.code, reported.message);
}

/** The value of a JSON text; undefined where it is not JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isAnswer(value: unknown): value is Answer {
  return (
    isObject(value) && typeof value.probability === 'number' && typeof value.confidence === 'number' &&
    typeof value.risk_level === 'string' && typeof value.reasoning === 'string' &&
    typeof value.degraded === 'string' && Array.isArray(value.factors) && isObject(value.features)
  );
}
