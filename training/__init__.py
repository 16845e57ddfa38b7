"""Training: a labelled table goes in, a verified model in the BentoML store comes out.

Rooms, in the order in which a training uses them: table, candidates, evaluate, compile, publish.
"""
