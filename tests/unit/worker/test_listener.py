"""A listener that keeps newcomers out still has what had come before."""

import socket

import pytest

from service.worker.listener import drop_new_connections


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_what_had_come_is_accepted_and_answered_and_newcomers_are_refused(
    family: socket.AddressFamily, host: str
) -> None:
    listener = socket.create_server((host, 0), family=family, backlog=10)
    address = listener.getsockname()
    waiting = [socket.create_connection(address[:2], timeout=30) for _ in range(5)]
    drop_new_connections(listener)
    with pytest.raises(TimeoutError):
        socket.create_connection(address[:2], timeout=0.3)
    listener.settimeout(30)
    for client in waiting:
        client.sendall(b"question")
        server, _ = listener.accept()
        with server:
            assert server.recv(100) == b"question"
            server.sendall(b"answer")
        with client:
            assert client.recv(100) == b"answer"
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address[:2], timeout=30)


def test_a_socket_that_is_not_of_the_network_is_left_alone() -> None:
    left, right = socket.socketpair()
    drop_new_connections(left)
    right.sendall(b"x")
    assert left.recv(1) == b"x"
    left.close()
    right.close()
