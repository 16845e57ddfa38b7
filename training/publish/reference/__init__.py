"""The reference of monitoring, published with the model.

In come the split table and the winner; out come the training profile of every model and, where a person
asked for it, rows of the table.
"""
