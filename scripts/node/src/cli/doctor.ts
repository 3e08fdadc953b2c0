// doctor: asks the command's own.
import { spawnSync } from 'node:child_process';
import { environmentOf } from '../environment.js';
import { setupOf } from '../options.js';
import { applicationAt } from './application.js';
import { Refused } from './files.js';

/** Prints what `predict.py --doctor` prints, and returns its exit code. `words` are further options of predict.py. */
export function doctor(root: string, words: string[]): number {
  let python: string | undefined;
  const passedOn = [...words];
  const at = passedOn.findIndex((word) => word === '--python' || word.startsWith('--python='));
  if (at >= 0) {
    const [named] = passedOn.splice(at, 1);
    python = named === '--python' ? passedOn.splice(at, 1)[0] : named?.slice('--python='.length);
    if (!python) throw new Refused(2, '--python needs a path');
  }
  const setup = setupOf({ python });
  if (typeof setup === 'string') throw new Refused(78, setup);
  const schema = process.env.STRUGGLE_SCHEMA?.trim() || foundSchema(root);
  const env = environmentOf({ databaseUrl: undefined, schema, model: undefined });
  const three = ['--doctor', '--pretty', '--json']; // exactly two arguments would be the two ids
  const ran = spawnSync(setup.python, ['-I', '-m', 'predict', ...three, ...passedOn], { env, stdio: 'inherit' });
  if (ran.error) {
    const code = (ran.error as NodeJS.ErrnoException).code;
    throw new Refused(78, `${setup.python} cannot be started (${code}): run struggle-predictor init first`);
  }
  if (ran.signal) throw new Refused(70, `the command was stopped by ${ran.signal}`);
  return ran.status ?? 70;
}

/** The application's schema, as init finds it; undefined where this is not an application. */
function foundSchema(root: string): string | undefined {
  try {
    return applicationAt(root).schema;
  } catch {
    return undefined;
  }
}
