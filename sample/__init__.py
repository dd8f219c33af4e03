"""Twenty years of a real channel, loaded through the platform's public HTTP API as a user would."""
