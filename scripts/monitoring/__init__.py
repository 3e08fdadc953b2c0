"""From stored predictions to a report, its alerts and its page."""
