"""The batch: its parts, its output, and the predictions it stores."""
