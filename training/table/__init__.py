"""A file in, a validated dataset and its contract out."""
