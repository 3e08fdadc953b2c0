// What kind of application this is: its router, its language, and where its Prisma schema lies.
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, parsed } from '../result.js';
import { inside, isDirectory, Refused, textOf } from './files.js';

export interface Application {
  root: string;
  router: 'app' | 'pages';
  /** The router's directory: app, src/app, pages or src/pages. */
  routes: string;
  /** Where the application's own modules are: src/lib or lib. */
  lib: string;
  language: 'ts' | 'js';
  /** The Prisma schema, a file or a directory of them; undefined where none was found. */
  schema: string | undefined;
  /** What should be said about the schema. */
  remark: string | undefined;
}

const TEXT = /["'`]([^"'`\n]*)["'`]/g;
const SCHEMA_IN_CONFIG = [
  /\bschema\s*:\s*(["'`][^"'`\n]*["'`])/, // schema: 'db/schema.prisma'
  /\bschema\s*:\s*(?:path\s*\.\s*)?join\s*\(((?:\s*["'`][^"'`\n]*["'`]\s*,?)+\s*)\)/, // path.join('db', 'schema.prisma')
];
const CONFIGS = ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs'].map((ending) => `prisma.config.${ending}`);
const USUAL_SCHEMAS = ['prisma/schema.prisma', 'prisma/schema', 'schema.prisma'];

/** The application in this directory. Throws Refused where it is not one of Next.js. */
export function applicationAt(root: string): Application {
  const text = textOf(root, 'package.json');
  if (text === undefined) throw new Refused(78, 'there is no package.json here: start in the application’s directory');
  const manifest = parsed(text);
  if (!isObject(manifest)) throw new Refused(78, 'package.json is not a JSON object');

  // As Next.js looks: src/ counts only where neither directory is beside it.
  const source = isDirectory(root, 'app') || isDirectory(root, 'pages') ? '' : 'src/';
  const router = (['app', 'pages'] as const).find((name) => isDirectory(root, source + name));
  if (router === undefined) {
    throw new Refused(78, 'this is not a Next.js application: it has none of app, pages, src/app and src/pages');
  }
  return {
    root,
    router,
    routes: source + router,
    lib: `${source}lib`,
    language: textOf(root, 'tsconfig.json') === undefined ? 'js' : 'ts',
    ...schemaOf(root, manifest),
  };
}

type Schema = Pick<Application, 'schema' | 'remark'>;

/** Prisma's own order: its configuration file, package.json, and the places where it looks by itself. */
function schemaOf(root: string, manifest: Record<string, unknown>): Schema {
  for (const config of CONFIGS) {
    const text = textOf(root, config) ?? '';
    const named = SCHEMA_IN_CONFIG.map((form) => form.exec(text)?.[1]).find((found) => found !== undefined);
    const parts = [...(named ?? '').matchAll(TEXT)].map(([, part]) => part ?? '');
    if (parts.length > 0) return fromSetting(root, join(...parts), config);
  }
  if (isObject(manifest.prisma) && typeof manifest.prisma.schema === 'string') {
    return fromSetting(root, manifest.prisma.schema, 'package.json');
  }
  return { schema: USUAL_SCHEMAS.find((name) => usable(root, name)), remark: undefined };
}

function fromSetting(root: string, name: string, by: string): Schema {
  const relative = join(name).replaceAll('\\', '/').replace(/\/$/, '');
  if (usable(root, relative)) return { schema: relative, remark: undefined };
  const remark = `${by} names the Prisma schema ${name}, which is not in this directory: name it in STRUGGLE_SCHEMA.`;
  return { schema: undefined, remark };
}

/** Whether there is such a file or directory below the root, which no link leads to. */
function usable(root: string, name: string): boolean {
  try {
    return lstatSync(inside(root, name), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
