"""The native API: its messages as types made from the contract, read from JSON or called from Python."""
