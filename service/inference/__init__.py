"""One prediction's way through the service: what a message's bytes become before the model sees them.

In: bodies and messages as they came over the wire.
Out: validated rows, or a refusal that names what is wrong.

    steps.py        work in steps, between which the event loop serves others
    json_reader.py  a JSON text, read piece by piece
    row_check.py    rows against the contract, with a bounded number of findings
"""
