"""Replay: recorded requests are performed again, and the answers compared with the recorded ones.

In come records of the audit log and the model cards of its ledger; out goes a verdict for each record.
"""
