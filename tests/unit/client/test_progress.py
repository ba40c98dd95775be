"""A request whose bytes stop coming ends, and so does one that comes byte by byte."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest
from tests.system.in_between import InBetween

from medfl_client.connection import progress
from medfl_client.connection.progress import STALLED, SteadyClient

BODY = bytes(range(256)) * 40


@contextmanager
def answering(n_sent: int, pause_s: float, n_at_once: int) -> Iterator[str]:
    """Announce the body, send so many of its bytes with pauses, and then nothing."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY))
            for at in range(0, n_sent, n_at_once):
                writer.write(BODY[at : at + n_at_once])
                await asyncio.sleep(pause_s)
            await asyncio.sleep(60)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listener = InBetween(port, answer)
    yield f"http://127.0.0.1:{port}/"
    listener.close()


@pytest.mark.parametrize(("n_sent", "pause_s", "n_at_once"), [(500, 0.0, 500), (9000, 0.05, 1)])
def test_a_request_whose_bytes_stop_or_drip_ends_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    n_sent: int,
    pause_s: float,
    n_at_once: int,
) -> None:
    monkeypatch.setattr(progress, "WINDOW_S", 1.0)

    with answering(n_sent, pause_s, n_at_once) as url, SteadyClient(timeout=2.0) as client:
        for attempt in range(20):  # the listener may not be there yet
            try:
                with pytest.raises(httpx.ReadTimeout):
                    client.get(url)
                break
            except httpx.ConnectError:
                assert attempt < 19

    assert STALLED in capsys.readouterr().out


def test_a_slow_answer_that_goes_on_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WINDOW_S", 0.2)
    monkeypatch.setattr(progress, "LEAST_BYTES", 100)

    with answering(len(BODY), 0.02, 512) as url, SteadyClient(timeout=20.0) as client:
        answer = client.send(client.build_request("GET", url))

    assert answer.content == BODY
