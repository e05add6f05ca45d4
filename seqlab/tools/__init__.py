"""The commands that are no experiments: each module's `run`, or its COMMANDS, is what it does."""
