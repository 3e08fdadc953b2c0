// The workers of one predictor: started when they are first needed, started again with back-off when they break.
import type { Deadline } from './deadline.js';
import type { Setup } from './options.js';
import { OVER, type Question, type Tried } from './result.js';
import { Worker } from './worker.js';

const WAIT_FOR_START_MS = 2_000; // then the call is answered by a process of its own, and the worker goes on starting
const FIRST_BACK_OFF_MS = 250;
const LONGEST_BACK_OFF_MS = 30_000;

/** One place for a worker. */
class Post {
  #worker: Worker | undefined;
  #failures = 0;
  #notBefore = 0;
  #closed = false;

  /** The worker of this place, which may still be starting; undefined where none may be started yet. */
  worker(setup: Setup): Worker | undefined {
    if (this.#worker !== undefined || this.#closed || performance.now() < this.#notBefore) return this.#worker;
    try {
      this.#worker = new Worker(setup, (why) => this.#failed(why));
    } catch (error) {
      this.#failed(`it could not be started (${(error as NodeJS.ErrnoException).code})`);
    }
    return this.#worker;
  }

  answered(): void {
    this.#failures = 0;
  }

  #failed(why: string): void {
    this.#worker = undefined;
    if (this.#closed) return;
    const backOffMs = Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#notBefore = performance.now() + backOffMs;
    console.error(`struggle-predictor: a worker failed: ${why}. Another is started in ${backOffMs} ms at the earliest.`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.close();
  }
}

export class Workers {
  readonly #posts: Post[];
  readonly #setup: Setup;

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#posts = Array.from({ length: setup.workers }, () => new Post());
  }

  /** What the worker at this place says; `prediction` is undefined where it can say nothing. */
  async ask(place: number, question: Question, deadline: Deadline): Promise<Tried> {
    const post = this.#posts[place] as Post;
    const worker = post.worker(this.#setup);
    if (worker === undefined || !(await soon(worker.ready, deadline)) || worker.broken) {
      return { prediction: undefined, over: OVER };
    }
    const tried = await worker.ask(question, deadline);
    if (tried.prediction !== undefined && deadline.reason === undefined) post.answered();
    return tried;
  }

  /** Ends the workers; resolves when they are gone. */
  async close(): Promise<void> {
    await Promise.all(this.#posts.map((post) => post.close()));
  }
}

/** Whether the worker says hello within the time that a call waits for it. */
function soon(ready: Promise<boolean>, deadline: Deadline): Promise<boolean> {
  return new Promise((resolve) => {
    const give = (value: boolean): void => {
      clearTimeout(patience);
      forget();
      resolve(value && deadline.reason === undefined);
    };
    const patience = setTimeout(() => give(false), WAIT_FOR_START_MS);
    const forget = deadline.onEnd(() => give(false));
    void ready.then(give);
  });
}
