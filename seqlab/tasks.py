"""The tasks that experiments train on: batches drawn from a NumPy generator, as many as asked."""
