"""The result of a replay for people and for MLflow.

In comes the result; out go a text, a page and a run.
"""
