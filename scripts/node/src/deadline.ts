// One deadline for a call: for its time in the queue and for its answer. The caller's own signal ends it, too.
import { failed, type Prediction } from './result.js';

export type Reason = 'timeout' | 'aborted';

/** Who waits for each signal: one listener serves them all, because Node warns of a signal that has many. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `aborted` when the signal is aborted, unless it is taken back by the function that this returns. */
function whenAborted(signal: AbortSignal, aborted: () => void): () => void {
  const known = waiting.get(signal);
  const all = known ?? new Set();
  all.add(aborted);
  if (known === undefined) {
    waiting.set(signal, all);
    signal.addEventListener('abort', () => all.forEach((each) => each()), { once: true });
  }
  return () => all.delete(aborted);
}

export class Deadline {
  /** Why the call is over; undefined while it is not. */
  reason: Reason | undefined;
  readonly #endsAt: number;
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  #unlisten = (): void => {};
  readonly #listeners = new Set<(reason: Reason) => void>();
  readonly #abort = (): void => this.#end('aborted');

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs;
    this.#endsAt = performance.now() + timeoutMs;
    // An answer that has arrived while this process was busy is read before the deadline counts as passed.
    this.#timer = setTimeout(() => setImmediate(() => this.#end('timeout')), timeoutMs);
    if (signal?.aborted) this.#abort();
    else if (signal !== undefined) this.#unlisten = whenAborted(signal, this.#abort);
  }

  /** Milliseconds that are left; never negative. */
  get leftMs(): number {
    return Math.max(0, this.#endsAt - performance.now());
  }

  /** Calls `listener` once when the call is over, unless it is taken back by the function that this returns. */
  onEnd(listener: (reason: Reason) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The result of a call that is over without an answer. */
  failure(): Prediction {
    if (this.reason === 'aborted') return failed(503, 'aborted', 'the call was aborted');
    return failed(503, 'timeout', `the predictor gave no answer within ${this.#timeoutMs} ms`);
  }

  /** Nothing is waited for any more. */
  settle(): void {
    this.#listeners.clear();
    clearTimeout(this.#timer);
    this.#unlisten();
  }

  #end(reason: Reason): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    const listeners = [...this.#listeners];
    this.settle();
    for (const listener of listeners) listener(reason);
  }
}
