"""Reading and checking a table.

In come a CSV or Parquet file and an optional override file; out comes a validated dataset with its contract,
or an error that states what to change.
"""
