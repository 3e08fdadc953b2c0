"""Model files, difficulty tables and the registry of versions, on disk."""
