"""Retraining: a training on the table and on the outcomes that came back, a gate, and a release in shadow.

In come a table, an audit log and its champion; out go a table with its lineage, a registered challenger with
the gate's reasons, and, if it passed, a release in which it runs in shadow.
"""
