"""API keys: who may ask for what.

    keyring.py    the file of hashed keys, and the question whose key this is
    access.py     what each path takes
    __main__.py   ``python -m service.keys``: make, list and revoke keys

Without a file of keys nobody is asked for one.
"""
