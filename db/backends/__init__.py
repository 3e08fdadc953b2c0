"""SQLite, PostgreSQL, and a connected Prisma client: each runs the queries of db.reading."""
