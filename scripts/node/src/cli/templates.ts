// The files that init writes, from the templates of this package.
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import type { Application } from './application.js';

const ROUTE = 'api/analytics/predictions/generate';

interface Variable {
  name: string;
  value: string;
  comment: string;
}

function template(name: string): string {
  return readFileSync(new URL(`../../../templates/${name}`, import.meta.url), 'utf8');
}

/** Name and text of the file that says who may ask for whom. */
export function mayPredict({ lib, router, language }: Application): [name: string, text: string] {
  return [`${lib}/may-predict.${language}`, template(`may-predict.${router}.${language}`)];
}

/** Name and text of the route. */
export function route(application: Application, python: string): [name: string, text: string] {
  const { router, routes, lib, language, schema } = application;
  const name = router === 'app' ? `${routes}/${ROUTE}/route.${language}` : `${routes}/${ROUTE}.${language}`;
  const filled = template(`route.${router}.${language}`)
    .replaceAll('MAY_PREDICT', posix.relative(posix.dirname(name), `${lib}/may-predict`))
    .replaceAll("'PYTHON'", quoted(python))
    .replaceAll("'SCHEMA'", schema === undefined ? 'undefined' : quoted(schema));
  return [name, filled];
}

/** The variables that the route reads, with the values that it uses without them. */
export function variables({ schema }: Application, python: string): Variable[] {
  return [
    { name: 'DATABASE_URL', value: '', comment: 'The database, as Prisma names it; SQLite by an absolute path.' },
    { name: 'STRUGGLE_PYTHON', value: python, comment: 'The Python in which the struggle predictor is installed.' },
    { name: 'STRUGGLE_SCHEMA', value: schema ?? '', comment: 'The Prisma schema, for its names of tables and columns.' },
    { name: 'STRUGGLE_WORKERS', value: '0', comment: 'Python processes that are kept alive; 0 starts one per prediction.' },
  ];
}

/** The text of .env.example with those variables that it does not name yet. */
export function withVariables(text: string, wanted: Variable[]): string {
  const missing = wanted.filter(({ name }) => !new RegExp(`^\\s*#?\\s*(export\\s+)?${name}\\s*=`, 'm').test(text));
  if (missing.length === 0) return text;
  const lines = missing.map(({ name, value, comment }) => `# ${comment}\n${name}=${quotedForEnv(value)}\n`);
  const gap = text === '' ? '' : text.endsWith('\n') ? '\n' : '\n\n';
  return `${text}${gap}${lines.join('')}`;
}

function quotedForEnv(value: string): string {
  return JSON.stringify(value).replaceAll('$', '\\$');
}

/** A text as a literal of JavaScript, in the quotes that the templates use. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, (character) => `\\${character}`).replaceAll('\n', '\\n')}'`;
}
