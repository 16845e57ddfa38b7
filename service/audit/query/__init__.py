"""Reading: the history page by page, every request for export, rows by SQL.

In come filters, or a SELECT. Out go requests with their bodies as JSON; for a worker, pages as bytes of JSON,
which a process of their own reads.
"""
