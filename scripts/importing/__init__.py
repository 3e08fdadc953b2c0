"""From an answer log to the platform's tables."""
