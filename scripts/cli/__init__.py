"""What commands share: options, streams, failures and exit codes."""
