"""Watching: when to retrain.

In come the audit log and the file of monitoring; out go retrainings, one at a time, each in a process.
"""
