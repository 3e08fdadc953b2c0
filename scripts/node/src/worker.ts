// One worker: `python -m scripts.worker`, which answers one line of JSON with another until its stdin closes.
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { gone, MAX_OUTPUT, Remarks, start } from './child.js';
import type { Deadline } from './deadline.js';
import type { Setup } from './options.js';
import { isAnswer, isObject, parsed, type Prediction, type Question, reportedFailure, type Tried } from './result.js';

const PROTOCOL = 1;
const STARTS_WITHIN_MS = 15_000; // a start on a busy machine; calls do not wait this long for it
const ENDS_WITHIN_MS = 2_000; // once its stdin is closed
const MOST_S = 4; // the deadline of the command
const KEPT_MS = 500; // between the worker's deadline and ours: one that has not answered by then does not answer

export class Worker {
  /** Whether it said the right hello in time; resolves once, to false also where it ended before. */
  readonly ready: Promise<boolean>;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
  /** Whether it has ended, or does not do what a worker does; it is then killed. */
  broken = false;
  readonly #onBroken: (why: string) => void;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #remarks: Remarks;
  #line = '';
  #asked = 0;
  #greeted = false;
  #closing = false;
  #onReady: (ready: boolean) => void = () => {};
  #onReply: ((reply: Record<string, unknown> | undefined) => void) | undefined;

  /** Throws what start() throws. `onBroken` is called at most once. */
  constructor(setup: Setup, onBroken: (why: string) => void) {
    this.#onBroken = onBroken;
    const child = (this.#child = start(setup, 'scripts.worker', []));
    this.gone = gone(child);
    this.#remarks = new Remarks(child);
    const patience = setTimeout(() => this.stop('it said no hello in time'), STARTS_WITHIN_MS).unref();
    this.ready = new Promise((resolve) => {
      this.#onReady = (ready) => {
        clearTimeout(patience);
        resolve(ready);
      };
    });
    child.once('exit', (code, signal) => this.stop(`it ended with ${signal ?? `exit code ${code}`}`));
    child.on('error', (error: NodeJS.ErrnoException) => this.stop(`it could not be started (${error.code})`));
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => this.#read(chunk));
    child.stdin.on('error', () => this.stop('it closed its stdin'));
    child.stdout.once('end', () => setTimeout(() => this.stop('it closed its stdout'), 100).unref()); // 'exit' says more
    this.#hold(false);
  }

  /**
   * The answer or the failure that the worker gives; undefined where it gave none and is of no more use. Where the
   * deadline ends first, the worker goes on with the question.
   */
  ask({ userId, objectiveId, asOf, ...words }: Question, deadline: Deadline): Promise<Tried> {
    const id = String((this.#asked += 1));
    const seconds = Math.max(0.05, Math.min(MOST_S, (deadline.leftMs - KEPT_MS) / 1000));
    const overdue = setTimeout(() => this.stop('it did not answer'), seconds * 1000 + KEPT_MS).unref();
    let free = (): void => {};
    const over = new Promise<void>((resolve) => (free = resolve));
    return new Promise((resolve) => {
      const forget = deadline.onEnd(() => {
        this.#hold(false);
        resolve({ prediction: deadline.failure(), over });
      });
      this.#onReply = (reply) => {
        clearTimeout(overdue);
        forget();
        this.#onReply = undefined;
        const prediction = reply?.id === id ? read(reply) : undefined;
        if (prediction === undefined) this.stop('it broke the protocol');
        else this.#remarks.log(prediction);
        this.#hold(false);
        resolve({ prediction, over });
        free();
      };
      this.#hold(true);
      const line = { id, user_id: userId, objective_id: objectiveId, as_of: asOf, ...words, timeout: seconds };
      this.#child.stdin.write(`${JSON.stringify(line)}\n`);
    });
  }

  /** Ends the process at once; whoever waits is told that there is no answer. */
  stop(why: string): void {
    if (this.broken) return;
    this.broken = true;
    this.#child.kill('SIGKILL');
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream.destroy();
    this.#remarks.log();
    this.#onBroken(why);
    this.#onReady(false);
    this.#onReply?.(undefined);
  }

  /** Lets it finish and end by itself, or ends it after a while; resolves when it is gone. */
  async close(): Promise<void> {
    this.#hold(true);
    this.#closing = true;
    this.#child.stdin.end();
    const patience = setTimeout(() => this.stop('it did not end'), this.#greeted ? ENDS_WITHIN_MS : 0);
    await this.gone;
    clearTimeout(patience);
  }

  /** Whether Node has to go on running for the sake of this worker. */
  #hold(needed: boolean): void {
    if (this.#closing) return;
    const { stdin, stdout, stderr } = this.#child;
    // The pipes are sockets, which their types do not say.
    for (const each of [this.#child, stdin, stdout, stderr] as unknown as NodeJS.Timeout[]) {
      if (needed) each.ref?.();
      else each.unref?.();
    }
  }

  #read(chunk: string): void {
    this.#line += chunk;
    for (let end = this.#line.indexOf('\n'); end >= 0; end = this.#line.indexOf('\n')) {
      const line = parsed(this.#line.slice(0, end));
      this.#line = this.#line.slice(end + 1);
      if (this.broken) return;
      if (!this.#greeted) this.#greet(line);
      else if (this.#onReply !== undefined && isObject(line)) this.#onReply(line);
      else this.stop('it broke the protocol');
    }
    if (this.#line.length > MAX_OUTPUT) this.stop('it wrote a line that is too long');
  }

  #greet(hello: unknown): void {
    if (!isObject(hello) || hello.protocol !== PROTOCOL) {
      this.stop(`it does not speak protocol ${PROTOCOL}`);
      return;
    }
    this.#greeted = true;
    this.#onReady(true);
  }
}

function read(reply: Record<string, unknown>): Prediction | undefined {
  if (isAnswer(reply.answer)) return { ok: true, answer: reply.answer };
  return typeof reply.exit_code === 'number' ? reportedFailure(reply.exit_code, reply.error) : undefined;
}
