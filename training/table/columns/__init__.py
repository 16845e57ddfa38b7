"""The columns of a table.

In comes a column as Arrow read it; out come its type, its values as an estimator takes them, and notes on
everything that is not read as it stands.
"""
