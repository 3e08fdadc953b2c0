// One Prisma client per process, over the driver adapter that DATABASE_URL asks for.
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../../generated/postgresql/client';
import { PrismaClient as SqlitePrismaClient } from '../../generated/sqlite/client';

const SQLITE_WAITS_MS = 2000; // for another writer; libsql itself waits for nobody

/**
 * SQLite in WAL mode, where readers keep nobody from committing. In its other modes a commit fails while predict.py
 * reads, libsql leaves that transaction open, and its lock keeps everybody out until the process ends.
 */
class Sqlite extends PrismaLibSql {
  override createClient(config: Parameters<PrismaLibSql['createClient']>[0]) {
    const client = super.createClient({ ...config, timeout: SQLITE_WAITS_MS });
    client.execute('PRAGMA journal_mode = WAL').catch((error) => console.error(`SQLite stays without WAL: ${error}`));
    return client;
  }
}

function connect(url: string): PrismaClient {
  if (/^postgres(ql)?:/.test(url)) {
    const schema = new URL(url).searchParams.get('schema');
    return new PrismaClient({ adapter: new PrismaPg({ connectionString: url }, schema ? { schema } : {}) });
  }
  // Both clients come from one schema (see prisma/), so what is written against the one holds for the other.
  return new SqlitePrismaClient({ adapter: new Sqlite({ url }) }) as unknown as PrismaClient;
}

function configuredUrl(): string {
  const url = process.env.DATABASE_URL;
  if (!url) throw new Error('DATABASE_URL is not set');
  return url;
}

// `next dev` loads modules anew at each change; the client, and its connections, stay.
const kept = globalThis as typeof globalThis & { prisma?: PrismaClient };

/** Connected on first use, so that `next build` needs no database. */
export const prisma: PrismaClient = new Proxy({} as PrismaClient, {
  get: (_nothing, name) => Reflect.get((kept.prisma ??= connect(configuredUrl())), name),
});
