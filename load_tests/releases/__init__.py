"""Simulated releases: how often the evidence promotes or rolls back falsely, and how many labels it needs."""
