"""Outcomes: what was true of a prediction, or what a person decided, as clients and files send it.

In come outcomes and the contract's target; out go records of the log (file/outcome_row.py), and counts of
those that were matched with their predictions, wait for them, were sent before, or were refused.
"""
