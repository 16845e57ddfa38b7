"""The candidates of a training.

In comes a contract; out come unfitted pipelines, each from a row of the contract to class probabilities.
"""
