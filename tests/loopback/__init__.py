"""A W&B server in memory, for tests that drive the unmodified client without a network or an account."""
