"""From the platform's tables to an answer log in the plain layout."""
