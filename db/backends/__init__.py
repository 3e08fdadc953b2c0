"""SQLite, PostgreSQL, and a connected Prisma client: each holds the conversations of db.reading."""
