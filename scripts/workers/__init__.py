"""Distributes the parts of a job: to this process, to other processes, or to a cluster."""
