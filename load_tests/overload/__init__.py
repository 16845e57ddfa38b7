"""More load than the service can take: what is refused, what is answered, and the recovery."""
