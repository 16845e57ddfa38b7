"""The model that is served: its contract, its files in the BentoML store, its two runtimes.

In comes the tag of a published model; out come validated types of rows, and a predictor that was checked
against the rows that training recorded.
"""
