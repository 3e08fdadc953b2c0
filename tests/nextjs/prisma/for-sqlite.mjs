// The same schema for SQLite, which has no lists of scalars: written to generated/, where the second client is made from.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const schema = readFileSync(here('schema.prisma'), 'utf8')
  .replace('provider = "postgresql"', 'provider = "sqlite"')
  .replace('../generated/postgresql', './sqlite')
  .replaceAll('String[]', 'Json');
mkdirSync(here('../generated'), { recursive: true });
writeFileSync(here('../generated/sqlite.prisma'), schema);
