"""What clients do, as locust users, over HTTP and gRPC."""
