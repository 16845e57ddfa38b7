"""What a process gets from its interpreter: random bytes, memory, turns of the event loop."""
