"""The worker: requests as lines on stdin, answers as lines on stdout."""
