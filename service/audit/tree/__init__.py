"""The Merkle tree over the hashes of all entries of the log, in the order of their ids.

In comes a connection to the log. Out go the root of the tree of any size, and proofs that an entry is in it.
"""
