"""The native API: its messages as types made from the contract, read from JSON or called from Python.

In come bodies, or rows that BentoML has validated; out go rows for the engine, and answers with predictions.
"""
