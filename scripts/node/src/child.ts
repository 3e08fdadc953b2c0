// Python processes: how they are started, and what is kept of what they print.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Setup } from './options.js';
import { failed, type Prediction } from './result.js';

export const MAX_OUTPUT = 1 << 20; // characters: of one answer, or of one line of a worker
const MAX_LOGGED = 4096; // characters of stderr that are logged per answer
const FOR_NOW = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM']); // the machine is short of something

/**
 * A Python module as a child process. There is no shell: an id stays one argument, whatever it holds. `-I` keeps the
 * modules of the working directory, of PYTHONPATH and of the user's own site-packages out.
 *
 * Throws what the system throws at once (E2BIG, ENOTDIR, ELOOP, ...); other refusals are the child's 'error' event.
 */
export function start(setup: Setup, module: string, words: readonly string[]): ChildProcessWithoutNullStreams {
  const args = ['-I', '-m', module, ...words];
  const child = spawn(/* turbopackIgnore: true */ setup.python, args, { env: setup.env, windowsHide: true });
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {}); // its end says enough
  return child;
}

/** Resolves when the process has ended, or could not be started. */
export function gone(child: ChildProcessWithoutNullStreams): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => {
      if (child.pid === undefined) resolve(); // otherwise there is a process, and 'exit' follows
    });
  });
}

/** Why a child could not be started. */
export function notStarted(error: unknown): Prediction {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown error';
  const how = FOR_NOW.has(code) ? 503 : 500;
  return failed(how, 'not_started', `Python could not be started (${code}); struggle-predictor doctor looks into it`);
}

/** The beginning of what a child prints on stderr; the rest is read and dropped, so that the child never waits. */
export class Remarks {
  #text = '';
  #dropped = 0;

  constructor(child: ChildProcessWithoutNullStreams) {
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      const kept = chunk.slice(0, MAX_LOGGED - this.#text.length);
      this.#text += kept;
      this.#dropped += chunk.length - kept.length;
    });
  }

  /** Logs what has come since the last time; of a refused request the result says the same, and its ids are no news. */
  log(about?: Prediction): void {
    const text = this.#text.trimEnd();
    const dropped = this.#dropped;
    this.#text = '';
    this.#dropped = 0;
    if (text === '' || (about?.ok === false && about.status < 500)) return;
    console.error(dropped > 0 ? `${text} [and ${dropped} more characters]` : text);
  }
}
