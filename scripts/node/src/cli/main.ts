#!/usr/bin/env node
// struggle-predictor init | doctor: sets the predictor up in a Next.js application, and examines what was set up.
import { parseArgs } from 'node:util';
import { doctor } from './doctor.js';
import { Refused } from './files.js';
import { init } from './init.js';

const HELP = `Usage: npx --no-install struggle-predictor init [--yes] [--python PATH] [--dry-run] [--force FILE]...
       npx --no-install struggle-predictor doctor [--python PATH] [OPTION OF predict.py]...

Both are started in the application's directory, and change nothing outside it.

init    Sets the predictor up in a Next.js application: installs the Python command into .struggle/venv, and writes a
        route, a file that says who may ask, and the variables of .env.example. It lists all of this and asks first.
        Existing files stay as they are, and no .env is read or written.
doctor  Prints what the command says about its database, schema and model, and ends with the command's exit code.

Options of init:
  --yes          do not ask
  --python PATH  use this interpreter: as it is where the predictor is installed in it, or else to make .struggle/venv
  --dry-run      print what would be written, as a diff, and change nothing
  --force FILE   let this one existing file be changed; may be given several times
  -h, --help     print this help

Exit codes: 0 done; 1 the answer was no, so nothing was changed; 2 the arguments are invalid; 74 a file cannot be
written; 78 the application or Python cannot be used as it is; 130 interrupted.`;

async function main(words: string[]): Promise<number> {
  const [command, ...rest] = words;
  if (command === 'doctor') return doctor(process.cwd(), rest);
  if (command === undefined || command === '-h' || command === '--help') {
    console.log(HELP);
    return command === undefined ? 2 : 0;
  }
  if (command !== 'init') throw new Refused(2, `there is no command ${JSON.stringify(command)}; see --help`);
  let options;
  try {
    ({ values: options } = parseArgs({
      args: rest,
      options: {
        yes: { type: 'boolean', default: false },
        python: { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
        force: { type: 'string', multiple: true, default: [] },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new Refused(2, (error as Error).message);
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const { yes, python, force } = options;
  return init(process.cwd(), { yes, python, force, dryRun: options['dry-run'] });
}

process.once('SIGINT', () => process.exit(130));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const written = (error as NodeJS.ErrnoException).syscall !== undefined;
  if (!(error instanceof Refused) && !written) throw error;
  console.error(`struggle-predictor: ${(error as Error).message}`);
  process.exitCode = error instanceof Refused ? error.exitCode : 74;
}
