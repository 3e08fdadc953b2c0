import type { NextConfig } from 'next';

// The pages' addresses and contents name learners: no other site may frame them, learn of them or keep them.
const HEADERS = {
  'Content-Security-Policy': "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'",
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

const config: NextConfig = {
  // For an image: a server with the packages that it needs. `next start` wants the usual build.
  output: process.env.NEXT_OUTPUT === 'standalone' ? 'standalone' : undefined,
  // libsql loads its native module by a name that tracing does not see.
  outputFileTracingIncludes: { '/*': ['node_modules/@libsql/linux-*/**'] },
  headers: async () => [
    { source: '/:path*', headers: Object.entries(HEADERS).map(([key, value]) => ({ key, value })) },
    { source: '/api/:path*', headers: [{ key: 'Cache-Control', value: 'private, no-store' }] },
  ],
  turbopack: {
    root: import.meta.dirname,
    // Built with EVERYBODY_IS_SIGNED_IN=yes, for tests and for the demo, the application lets everybody in.
    resolveAlias:
      process.env.EVERYBODY_IS_SIGNED_IN === 'yes' ? { '@/lib/session': './tests/support/session.ts' } : {},
  },
  experimental: {
    authInterrupts: true, // forbidden() in pages
    isrFlushToDisk: false, // in an image, the server may not write beside itself
  },
  // libsql is a native module: it is loaded from node_modules, not bundled.
  serverExternalPackages: ['@libsql/client', 'libsql', '@prisma/adapter-libsql', '@prisma/adapter-pg', 'pg'],
  poweredByHeader: false,
  // A page's metadata may arrive after a browser has looked for its icon, and then it asks for this address.
  rewrites: async () => [{ source: '/favicon.ico', destination: '/icon.svg' }],
};

export default config;
