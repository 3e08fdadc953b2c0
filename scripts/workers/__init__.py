"""Who does the parts of a job: this process, others beside it, or a cluster."""
