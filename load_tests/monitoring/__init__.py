"""Simulated streams of windows, with and without drift, and how monitoring and other tools judge them.

In come made columns; out go false alarms, power and delay. Windows are drawn as counts of bins, by the bins'
probabilities: that is the distribution that rows would give, in a thousandth of the time.
"""
