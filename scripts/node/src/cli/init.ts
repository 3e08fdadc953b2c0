// init: sets the predictor up in a Next.js application. It plans everything, says what it is going to do, and asks.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { isAbsolute, relative } from 'node:path';
import { interpreterOf } from '../options.js';
import { type Application, applicationAt } from './application.js';
import { unified } from './diff.js';
import { inside, Refused, textOf, write } from './files.js';
import { install, type Interpreter, interpreterAt, interpreterOnPath, installed, VENV, wheel } from './python.js';
import { mayPredict, route, variables, withVariables } from './templates.js';

export interface InitOptions {
  yes: boolean;
  dryRun: boolean;
  python: string | undefined;
  force: readonly string[];
}

interface Change {
  name: string;
  before: string | undefined;
  after: string;
}

interface Plan {
  /** The interpreter from which .struggle/venv is made; undefined where nothing has to be installed. */
  installFrom: Interpreter | undefined;
  changes: Change[];
  /** Existing files that differ from what would be written, and stay as they are. */
  kept: Change[];
  /** What is as it should be already. */
  asItIs: string[];
}

/** Returns the exit code. Throws Refused. */
export async function init(root: string, options: InitOptions): Promise<number> {
  const application = applicationAt(root);
  const plan = planned(application, options);
  console.log(summary(application, plan, options));
  if (options.dryRun) {
    for (const { name, before, after } of plan.changes) process.stdout.write(`\n${unified(name, before, after)}`);
    return 0;
  }
  if (plan.installFrom === undefined && plan.changes.length === 0) return done(plan);
  if (!options.yes && !(await agreed())) {
    console.log('Nothing was changed.');
    return 1;
  }
  if (plan.installFrom !== undefined) {
    install(root, plan.installFrom);
    console.log(`Installed the predictor into ${VENV}.`);
  }
  for (const { name, before, after } of plan.changes) {
    write(root, name, after, before);
    console.log(before === undefined ? `Wrote ${name}.` : `Changed ${name}.`);
  }
  return done(plan);
}

function planned(application: Application, options: InitOptions): Plan {
  const { root } = application;
  const named = options.python === undefined ? undefined : interpreterAt(options.python);
  const uses = named?.hasPredictor === true;
  const force = new Set(options.force.map((name) => relative(root, inside(root, name)).replaceAll('\\', '/')));
  const again = force.delete(VENV);
  const found = uses ? 'none' : installed(root);
  const plan: Plan = {
    installFrom: uses || (found === 'this' && !again) ? undefined : (named ?? interpreterOnPath()),
    changes: [],
    kept: [],
    asItIs: found === 'this' && !again ? [VENV] : [],
  };
  const python = uses ? shortened(root, named.path) : interpreterOf(VENV).replaceAll('\\', '/');
  if (found === 'foreign' && !again) {
    throw new Refused(78, `${VENV} exists and was not made by init; --force ${VENV} lets it be replaced`);
  }
  const wanted = variables(application, python);
  const before = textOf(root, '.env.example');
  const files: [name: string, after: string][] = [
    route(application, python),
    mayPredict(application),
    ['.env.example', withVariables(before ?? '', wanted)],
  ];
  const names = new Set(files.map(([name]) => name));
  for (const name of force) {
    if (!names.has(name)) throw new Refused(2, `--force ${name}: init writes ${[...names].join(', ')} and no other file`);
  }
  for (const [name, after] of files) {
    const change = { name, before: textOf(root, name), after };
    if (change.before === after) plan.asItIs.push(name);
    else if (change.before === undefined || force.has(name)) plan.changes.push(change);
    else plan.kept.push(change);
  }
  return plan;
}

/** Below the root a relative path, which holds wherever the application lies. */
function shortened(root: string, path: string): string {
  const below = relative(root, path).replaceAll('\\', '/');
  return below.startsWith('../') || isAbsolute(below) ? path : below;
}

function summary({ router, routes, schema, remark }: Application, plan: Plan, { dryRun }: InitOptions): string {
  const { installFrom, changes } = plan;
  return [
    `Found the ${router === 'app' ? 'App' : 'Pages'} Router in ${routes}, and ${
      schema === undefined ? 'no Prisma schema' : `the Prisma schema ${schema}`
    }.`,
    ...(remark === undefined ? [] : [remark]),
    ...(dryRun ? ['This would be done:'] : ['This will be done:']),
    ...(installFrom === undefined
      ? []
      : [
          `  make ${VENV} with Python ${installFrom.version} (${installFrom.path}), and install ${wheel().name} into it`,
          '    with what it depends on (click, psycopg2-binary), which pip fetches from its package index',
        ]),
    ...changes.map(({ name, before }) => `  ${before === undefined ? 'write' : 'change'} ${name}`),
    ...(installFrom === undefined && changes.length === 0 ? ['  nothing'] : []),
    ...plan.asItIs.map((name) => `${name} is as it should be already.`),
    ...plan.kept.map(({ name }) => `${name} exists and stays as it is; --force ${name} lets it be changed.`),
  ].join('\n');
}

function done({ kept }: Plan): number {
  for (const { name, before, after } of kept) {
    console.log(`\n${name} was not changed. This is what would change:\n${unified(name, before, after)}`);
  }
  console.log('Say who may ask for whom in mayPredict(): until then the route answers 403.');
  console.log('Set the variables of .env.example where the application runs. This command reads and writes no .env.');
  return 0;
}

/** Whether the next line of stdin is a yes. */
async function agreed(): Promise<boolean> {
  process.stdout.write('Shall this be done? [y/N] ');
  const lines = createInterface({ input: process.stdin });
  const [answer] = (await Promise.race([once(lines, 'line'), once(lines, 'close')])) as [string?];
  lines.close();
  process.stdin.unref();
  if (answer === undefined) console.log();
  return /^\s*y(es)?\s*$/i.test(answer ?? '');
}
