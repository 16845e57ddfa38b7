"""Where a table comes from.

In comes the name of a file, a folder or a database; out come named Arrow columns, the digest of their source,
and notes on what was left out.
"""
