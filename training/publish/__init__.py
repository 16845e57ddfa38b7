"""The champion goes to MLflow, to its registry, and to the BentoML store, from which it is verified."""
