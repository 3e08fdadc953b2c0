"""What commands share: options, streams, refusals and exit codes."""
