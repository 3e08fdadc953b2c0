"""From query templates to one dialect's SQL, over the tables that a database has."""
