"""Messages between a worker and the processes it starts, over sockets."""
