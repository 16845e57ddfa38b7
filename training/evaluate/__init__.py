"""Cross-validation, metrics and plots of each candidate, the choice of the champion, and the report."""
