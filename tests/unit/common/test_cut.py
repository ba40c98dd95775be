"""The way that tests cut leaves no thread and no open socket behind."""

import gc
import socket
import threading
import warnings

from tests.open_consoles import Cut


def test_a_way_that_ended_leaves_no_thread_and_no_socket() -> None:
    before = {*threading.enumerate()}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with socket.create_server(("127.0.0.1", 0)) as far, Cut(far.getsockname()[1]) as way:
            host, port = way.address.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=10) as near:
                there, _ = far.accept()
                with there:
                    near.sendall(b"x")
                    assert there.recv(1) == b"x"

        assert {*threading.enumerate()} <= before
        del way
        gc.collect()

    assert not [one for one in told if one.category is ResourceWarning]


def test_a_way_to_a_port_that_is_closed_ends_and_still_accepts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with Cut(port) as way:
        host, here = way.address.removeprefix("http://").split(":")
        for _ in range(2):
            with socket.create_connection((host, int(here)), timeout=10) as near:
                assert near.recv(1) == b""
