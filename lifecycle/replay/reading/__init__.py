"""The answered records of a log as rows by any contract, with the answers that they are compared with.

In come a log and models; out go rows, answers, true labels, and findings about records that break a contract.
"""
