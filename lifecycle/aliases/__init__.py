"""MLflow's aliases, and the name in the BentoML store, follow the release that is in force.

In come the acts of releases in the ledger; out go the aliases ``champion`` and ``challenger``.
"""
