import type { NextConfig } from 'next';

const config: NextConfig = {
  turbopack: {
    root: import.meta.dirname,
    // Built with EVERYBODY_IS_SIGNED_IN=yes, for tests and for the demo, the application lets everybody in.
    resolveAlias:
      process.env.EVERYBODY_IS_SIGNED_IN === 'yes' ? { '@/lib/session': './tests/support/session.ts' } : {},
  },
  experimental: { authInterrupts: true }, // forbidden() in pages
  // libsql is a native module: it is loaded from node_modules, not bundled.
  serverExternalPackages: ['@libsql/client', 'libsql', '@prisma/adapter-libsql', '@prisma/adapter-pg', 'pg'],
  poweredByHeader: false,
};

export default config;
