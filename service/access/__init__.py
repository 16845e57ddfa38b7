"""API keys: who may ask for what.

    keyring.py    hashed keys, and the question whose key this is
    keyfile.py    the file that they lie in: read without waiting, changed by one command at a time
    access.py     what each path takes
    __main__.py   ``python -m service.access``: make, list and revoke keys

Without a file of keys nobody is asked for one.
"""
