"""A worker that reads foreign files gives up what it does not need, where the kernel can hold it.

seccomp (Linux 3.17) leaves it the system calls of computing, of memory and of descriptors that it
has: no file is opened, no socket, no process, no signal to another. Landlock (Linux 5.13) refuses
files and, from 6.7 and 6.12 on, TCP and signals a second time. Both last until the process ends.
"""

import ctypes
import os
import platform
import struct
import sys

SECCOMP, LANDLOCK = 1, 2  # bits: which locks hold

_PR_SET_NO_NEW_PRIVS = 38
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_EACCES, _ENOSYS = 13, 38
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # of the kernel's packet filter
_CLONE_THREAD = 0x10000
# What a worker needs after it is locked: the often used first. Name -> number on x86_64 and aarch64
# (-1: not there; newer kernels' calls have one number on both).
_CALLS = {
    "read": (0, 63), "recvmsg": (47, 212), "sendto": (44, 206), "lseek": (8, 62), "close": (3, 57),
    "fstat": (5, 80), "newfstatat": (262, 79), "mmap": (9, 222), "munmap": (11, 215),
    "fcntl": (72, 25), "poll": (7, -1), "ppoll": (271, 73), "brk": (12, 214), "futex": (202, 98),
    "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67),
    "recvfrom": (45, 207), "sendmsg": (46, 211), "stat": (4, -1), "lstat": (6, -1),
    "statx": (332, 291), "dup": (32, 23), "dup2": (33, -1), "dup3": (292, 24),
    "mremap": (25, 216), "mprotect": (10, 226), "madvise": (28, 233), "membarrier": (324, 283),
    "set_robust_list": (273, 99), "rseq": (334, 293), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174),
    "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177), "getcwd": (79, 17),
    "getrandom": (318, 278), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "gettimeofday": (96, 169), "time": (201, -1), "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115), "select": (23, -1), "pselect6": (270, 72),
    "getrusage": (98, 165), "times": (100, 153), "getrlimit": (97, 163), "uname": (63, 160),
    "sysinfo": (99, 179), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "sched_setaffinity": (203, 122), "arch_prctl": (158, -1), "fadvise64": (221, 223),
}  # fmt: skip
# machine -> its place above, the kernel's name of it, and its prctl-free numbers of four calls
_MACHINES = {
    "x86_64": (0, 0xC000003E, {"tgkill": 234, "clone": 56, "clone3": 435, "seccomp": 317}),
    "aarch64": (1, 0xC00000B7, {"tgkill": 131, "clone": 220, "clone3": 435, "seccomp": 277}),
}


def lock_down() -> int:
    """Give up files, network, processes and signals for ever; return which locks hold.

    Memory, threads and the descriptors that are open stay.
    """
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return 0
    if not sys.maxsize > 2**32 or sys.byteorder != "little":
        return 0
    c_library = ctypes.CDLL(None, use_errno=True)
    if c_library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return 0
    return _restrict_files(c_library) | _filter_calls(c_library)


def name_locks(locks: int) -> str:
    """Name the locks that hold, for a person; empty: none."""
    return " and ".join(
        name for bit, name in ((SECCOMP, "seccomp"), (LANDLOCK, "Landlock")) if locks & bit
    )


def _restrict_files(c_library: ctypes.CDLL) -> int:
    """Refuse every file by Landlock, and TCP and signals where it can."""
    version = c_library.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    if version < 1:
        return 0
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    rules = struct.pack("<QQQ", files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    handle = c_library.syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(size), ctypes.c_uint(0))
    if handle < 0:
        return 0
    failed = c_library.syscall(_LANDLOCK_RESTRICT, ctypes.c_int(handle), ctypes.c_uint(0))
    os.close(handle)
    return 0 if failed else LANDLOCK


def _filter_calls(c_library: ctypes.CDLL) -> int:
    """Refuse all other system calls with EACCES, in every thread of this process."""
    program = _program()
    buffer = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("n", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    whole = Program(len(program) // 8, ctypes.addressof(buffer))
    number = _MACHINES[platform.machine()][2]["seccomp"]
    all_threads, set_filter = ctypes.c_uint(1), ctypes.c_uint(1)
    failed = c_library.syscall(number, set_filter, all_threads, ctypes.byref(whole))
    return 0 if failed else SECCOMP


def _program() -> bytes:
    """Write the filter: steps of (code, jump if true, jump if false, value)."""
    column, architecture, others = _MACHINES[platform.machine()]

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("<HBBI", code, if_true, if_false, value)

    def argument(n: int) -> bytes:
        return step(_LOAD, 16 + 8 * n)  # its lower half

    allow, deny = step(_RETURN, _ALLOW), step(_RETURN, _ERRNO | _EACCES)
    steps = [step(_LOAD, 4), step(_EQUAL, architecture, 1), step(_RETURN, _KILL), step(_LOAD, 0)]
    for numbers in _CALLS.values():
        if numbers[column] >= 0:
            steps += [step(_EQUAL, numbers[column], 0, 1), allow]
    steps += [step(_EQUAL, others["clone3"], 0, 1), step(_RETURN, _ERRNO | _ENOSYS)]
    # a thread, but no process; a signal to this process, but to no other
    steps += [step(_EQUAL, others["clone"], 0, 4), argument(0)]
    steps += [step(_ANY_BIT, _CLONE_THREAD, 0, 1), allow, deny]
    steps += [step(_EQUAL, others["tgkill"], 0, 4), argument(0)]
    steps += [step(_EQUAL, os.getpid(), 0, 1), allow, deny]
    return b"".join([*steps, deny])
