"""Trainings of tables of many sizes, measured.

In come tables made with a fixed seed; out come the time, the memory and the quality of the real command.
"""
