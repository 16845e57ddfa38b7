"""API keys: who may ask for what, over every transport.

In come a request's headers and the scope of its route; out goes the key, or the reason of a refusal.
``keyring.py`` has the hashed keys, ``keyfile.py`` their file, ``authorization.py`` the decision,
``two_keys.py`` the proof that two persons agree, ``__main__.py`` the command line. Without a configured file
of keys, no key is required.
"""
