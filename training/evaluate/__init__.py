"""Evaluation and choice.

In come candidates and a split table; out come cross-validation scores, test metrics and plots of each
candidate, the champion with the reason for it, and the printed report.
"""
