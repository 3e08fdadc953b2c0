// The environment of the Python processes: what they read, and nothing else of this process's.
import { readFileSync, statSync } from 'node:fs';

const PASSED_ON = [
  'STRUGGLE_SCHEMA', 'STRUGGLE_ENV_FILE', 'STRUGGLE_MODEL', 'STRUGGLE_MODELS_DIR', 'STRUGGLE_CORRECT_FROM',
  'STRUGGLE_LANGUAGE', 'STRUGGLE_AUDIENCE',
  'HOME', 'USERPROFILE', 'APPDATA', // where libpq looks for .pgpass and certificates
  'TMPDIR', 'TEMP', 'TMP', // where a SQLite log without an index is copied to
  'SSL_CERT_FILE', 'SSL_CERT_DIR', 'KRB5CCNAME', 'KRB5_CONFIG',
  'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SYSTEMROOT', // some Pythons do not start without them
];
const OF_LIBPQ = /^PG[A-Z0-9]+$/;
const URL_OF_DATASOURCE = /^\s*url\s*=\s*env\(\s*"([A-Za-z_][A-Za-z0-9_]*)"\s*\)/m;
const LARGEST_SCHEMA = 4 << 20;

export interface Choices {
  databaseUrl: string | undefined;
  schema: string | undefined;
  model: string | undefined;
}

/** The variables of a child process. An option takes precedence over the variable of the same meaning. */
export function environmentOf({ databaseUrl, schema, model }: Choices): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && (PASSED_ON.includes(name.toUpperCase()) || OF_LIBPQ.test(name))) env[name] = value;
  }
  if (schema !== undefined) env.STRUGGLE_SCHEMA = schema;
  if (model !== undefined) env.STRUGGLE_MODEL = model;
  for (const name of ['DATABASE_URL', variableOf(env.STRUGGLE_SCHEMA)]) {
    const url = name === undefined ? undefined : (databaseUrl ?? process.env[name]);
    if (name !== undefined && url !== undefined) env[name] = url;
  }
  return env;
}

/** The variable that the schema's datasource names for the database's URL; the command reads no other one then. */
function variableOf(schema: string | undefined): string | undefined {
  try {
    if (!schema || statSync(schema).size > LARGEST_SCHEMA) return undefined;
    return URL_OF_DATASOURCE.exec(readFileSync(/* turbopackIgnore: true */ schema, 'utf8'))?.[1];
  } catch {
    return undefined; // the command says what is wrong with the schema
  }
}
