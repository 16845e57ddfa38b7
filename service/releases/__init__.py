"""Releases: which models are served and how, changed without a restart and recorded in the ledger.

In come a release's file, commands and the evidence of monitoring; out go models that are loaded, verified and
swapped by all workers of a service alike.
"""
