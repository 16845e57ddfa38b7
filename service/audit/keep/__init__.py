"""Maintenance: retention, redaction, erasure and export.

In come an open log and limits, request ids or formats. Out goes a log with less content, or a file of
requests.
"""
