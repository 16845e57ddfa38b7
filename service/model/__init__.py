"""The served model: its contract, its files in the BentoML store, its two runtimes, its reference profile.

In comes the tag of a published model; out come validated row types, and a predictor that has been checked
against the golden rows that training recorded.
"""
