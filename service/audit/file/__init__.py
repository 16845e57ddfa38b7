"""The log's file: the database, its schema and migrations, and the transactions that append to it.

In come records and gaps; out go committed rows, each with its place in the hash chain.
"""
