"""Swaps under load: models are exchanged while two workers answer at their full rate, and some are killed.

In come the numbers of swaps and kills; out goes whether every request was answered, every answer is recorded
under the model that gave it, and memory is back at its level.
"""
