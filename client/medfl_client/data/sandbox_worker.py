"""A worker of the sandbox: it does what comes, until the other end is closed or silent for long.

Workers import no torch: they start fast. They are interpreters of their own, so that no script of a
caller is run again in them.
"""

import ctypes
import os
import pickle
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress

import threadpoolctl

from medfl_client.data.listing import CLOSED_FILE, GONE
from medfl_client.data.lockdown import lock_down
from medfl_client.data.opened import WINDOW, Files, use
from medfl_client.data.sandbox_wire import HEAD, PLACE, Refused, frame, pack_answers
from medfl_common.errors import DataError, system_reason

MEMORY = 2 * 2**30  # bytes that one worker may take above what it starts with
IDLE_S = 20.0
DAMAGED = "the file is damaged: its content is not what it says"

_locks = 0  # that hold in this process


def serve(handle: int) -> None:
    """Be a worker on one end of a socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started us
    warnings.simplefilter("ignore")
    line = socket.socket(fileno=handle)
    line.settimeout(IDLE_S)
    with suppress(EOFError, OSError):
        _start(_receive(line)[1])
        line.sendall(frame(b"R", bytes([_locks])))
        while True:
            _batch(line)


def report_locks(job: object) -> bytes:
    """Say which locks hold in this worker: a work of its own, for `doctor`."""
    return bytes([_locks])


def _start(body: bytes) -> None:
    """Import what the work needs, then give up all else for ever."""
    global _locks
    sys.path[:], key = pickle.loads(body)  # noqa: S301 (of the parent)
    setup, _ = pickle.loads(key)  # noqa: S301
    threadpoolctl.threadpool_limits(1)  # the processes share the processors, not threads
    can_be_locked = setup()
    _bound_resources()
    _keep_freed_memory()
    _locks = lock_down() if can_be_locked else 0


def _batch(line: socket.socket) -> None:
    """Take a batch, do it and answer."""
    do, jobs, paths = pickle.loads(_receive(line)[1])  # noqa: S301 (of the parent)
    window = _window(line)

    def fetch(place: int) -> list[tuple[int, int]]:
        line.sendall(frame(b"O", PLACE.pack(place)))
        return _window(line)

    files = Files(paths, fetch)
    files.hold(0, window)
    use(files if paths else None)
    answers = pack_answers([_try(do, job) for job in jobs])
    files.close()
    line.sendall(frame(b"A", answers))


def _window(line: socket.socket) -> list[tuple[int, int]]:
    """Receive a window of files: (descriptor, or error) of each."""
    descriptors, body = _receive(line)
    errors = [int.from_bytes(body[i : i + 4], "little") for i in range(0, len(body), 4)]
    opened = iter(descriptors)
    return [(-1, error) if error else (next(opened), 0) for error in errors]


def _receive(line: socket.socket) -> tuple[list[int], bytes]:
    """Receive a frame of the parent, with the descriptors that came with it."""
    head, descriptors = b"", list[int]()
    while len(head) < HEAD.size:
        data, more, _, _ = socket.recv_fds(line, HEAD.size - len(head), WINDOW)
        if not data:
            raise EOFError
        head += data
        descriptors += more
    _, length = HEAD.unpack(head)
    parts, missing = [], length
    while missing:
        data = line.recv(min(missing, 2**20))
        if not data:
            raise EOFError
        parts.append(data)
        missing -= len(data)
    return descriptors, b"".join(parts)


def _try(do: Callable[[object], bytes], job: object) -> bytes | Refused:
    try:
        return do(job)
    except DataError as error:
        return Refused(str(error), is_lasting=True)
    except FileNotFoundError:
        return Refused(GONE)
    except PermissionError:
        return Refused(CLOSED_FILE)
    except OSError as error:
        if error.errno is None:  # a parser's own
            return Refused(DAMAGED, is_lasting=True)
        return Refused(f"the system cannot read the file ({system_reason(error)})")
    except MemoryError:
        reason = f"reading it needs more than {MEMORY / 2**30:.0f} GB of memory"
        return Refused(reason, is_crash=True)
    except Exception:  # one bad file costs one row, whatever a parser makes of it
        return Refused(DAMAGED, is_lasting=True)


def _keep_freed_memory() -> None:
    """Have the C library reuse the memory of one image for the next.

    Taking it from the system anew costs a third of the time that an uncompressed file needs.
    """
    with suppress(OSError, AttributeError):  # only glibc has it
        c_library = ctypes.CDLL(None)
        c_library.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD
        c_library.mallopt(-1, 2**30)  # M_TRIM_THRESHOLD


def _bound_resources() -> None:
    """Limit memory, and take away the writing of files and core dumps."""
    import resource

    if sys.platform == "linux":  # elsewhere this limit does not work, or counts otherwise
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
