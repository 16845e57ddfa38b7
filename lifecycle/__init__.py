"""The life of a published model beside the service: replay of recorded traffic, retraining, the gate.

In come published models and the audit log; out go verdicts, reports, and challengers that passed the gate.
"""
