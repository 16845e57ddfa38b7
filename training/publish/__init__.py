"""Logging and publication.

In come evaluated candidates and the champion with its compiled form; out go MLflow runs, a registered
version, and a verified model in the BentoML store.
"""
