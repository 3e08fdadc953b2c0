// One prediction by a process of its own: the command `python -m predict USER_ID OBJECTIVE_ID`.
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { gone, MAX_OUTPUT, notStarted, Remarks, start } from './child.js';
import type { Deadline } from './deadline.js';
import type { Setup } from './options.js';
import {
  failed,
  isAnswer,
  isObject,
  OVER,
  parsed,
  type Prediction,
  type Question,
  reportedFailure,
  type Tried,
} from './result.js';

/** The answer of a new process; never throws. */
export function predictOnce(setup: Setup, question: Question, deadline: Deadline): Promise<Tried> {
  if (deadline.reason !== undefined) return Promise.resolve({ prediction: deadline.failure(), over: OVER });
  // Exactly two arguments are the two ids, and the quickest way; with an option, `--` keeps an id from being one.
  const { userId, objectiveId, asOf, language, audience } = question;
  const chosen = Object.entries({ 'as-of': asOf, language, audience }).filter(([, value]) => value !== undefined);
  const options = chosen.map(([name, value]) => `--${name}=${value}`);
  const words = options.length === 0 ? [userId, objectiveId] : [...options, '--', userId, objectiveId];
  let child: ChildProcessWithoutNullStreams;
  try {
    child = start(setup, 'predict', words);
  } catch (error) {
    return Promise.resolve({ prediction: notStarted(error), over: OVER });
  }
  const over = gone(child);
  const remarks = new Remarks(child);
  let printed = '';
  child.stdin.end();
  return new Promise((resolve) => {
    const settle = (prediction: Prediction): void => {
      forget();
      remarks.log(prediction);
      resolve({ prediction, over });
    };
    const stop = (prediction: Prediction): void => {
      child.kill('SIGKILL');
      child.stdout.destroy(); // a process that the child has started may hold its streams open
      child.stderr.destroy();
      settle(prediction);
    };
    const forget = deadline.onEnd(() => stop(wholeAnswer(printed) ?? deadline.failure()));
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      printed += chunk;
      if (printed.length > MAX_OUTPUT) stop(failed(500, 'unreadable', 'the predictor printed too much'));
    });
    child.on('error', (error) => settle(notStarted(error)));
    child.once('close', (code, signal) => settle(read(printed, code, signal)));
  });
}

function wholeAnswer(printed: string): Prediction | undefined {
  const answer = parsed(printed);
  return isAnswer(answer) ? { ok: true, answer } : undefined;
}

/** What the process said. An answer that came whole counts, however the process ended. */
function read(printed: string, code: number | null, signal: NodeJS.Signals | null): Prediction {
  const answered = wholeAnswer(printed);
  if (answered) return answered;
  if (signal) return failed(503, 'killed', `the predictor was stopped by ${signal}`);
  if (code === 0) return failed(500, 'unreadable', 'the predictor printed no answer');
  const said = parsed(printed);
  const reported = isObject(said) ? reportedFailure(code ?? 70, said.error) : undefined;
  // Python itself ends with 1 where it does not find the module: that is not the caller's mistake.
  return reported ?? failed(500, 'not_started', `the predictor ended with exit code ${code} and no JSON`);
}
