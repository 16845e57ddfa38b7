"""The log's file: the database, its schema and migrations, and the appending of entries within a transaction.

In come records as plain values, and paths. Out go open connections, and rows with their place in the hash
chain.
"""
