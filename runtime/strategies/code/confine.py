"""What a process gives up before it runs what strangers wrote: files, sockets, further processes; best effort, and told.

Sources: landlock(7), seccomp(2), getrlimit(2). Only Linux has the first two; elsewhere the rest holds.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_ARCHITECTURES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""AUDIT_ARCH and the column of ``_SYSCALLS``."""

_NETWORK = ("socket", "connect", "bind", "listen", "accept", "accept4")
_KERNEL = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "mount", "umount2", "pivot_root", "chroot", "unshare"),
    *("setns", "bpf", "perf_event_open", "add_key", "keyctl", "request_key", "io_uring_setup", "userfaultfd"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "open_by_handle_at"),
    *(
        "name_to_handle_at",
        "fanotify_init",
        "reboot",
        "personality",
        "pidfd_getfd",
        "memfd_create",
        "shmget",
        "mq_open",
    ),
)
_PROCESSES = ("fork", "vfork", "execve", "execveat")

_SYSCALLS: Final[dict[str, tuple[int, int | None]]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "keyctl": (250, 219),
    "request_key": (249, 218),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "reboot": (169, 142),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "mq_open": (240, 180),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "clone": (56, 220),
    "clone3": (435, 435),
    "seccomp": (317, 277),
}
"""Numbers by architecture, from the kernel's unistd.h."""

_EPERM, _ENOSYS = 1, 38
_CLONE_THREAD = 0x00010000
_NO_NEW_PRIVS, _FILTER, _ALL_THREADS = 38, 1, 1
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32 = 0x40000000

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _READ_FILE, _READ_DIR = 1, 4, 8
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""By version of Landlock: how many rights on files there are."""
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/etc/ld.so.cache")


def limit(kind: int, most: int, process: int = 0) -> None:
    """Set a limit of this or another process for good; never above what holds already."""
    if process and not hasattr(resource, "prlimit"):
        return
    _, hard = resource.prlimit(process, kind) if process else resource.getrlimit(kind)
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if process:
        resource.prlimit(process, kind, (value, value))
    else:
        resource.setrlimit(kind, (value, value))


def drop_files(executable: Path | None) -> bool:
    """From now on this process and its children open no file but the system's libraries and this executable.

    They signal nobody but each other; without an executable, that is left as it is.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    rights = (1 << _FS_RIGHTS.get(version, 16)) - 1
    scopes = 3 if version >= 6 and executable is not None else 0
    attributes = struct.pack("QQQ", rights, 3 if version >= 4 else 0, scopes)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(_CREATE_RULESET, attributes, size, 0)
    if ruleset < 0:
        return False
    try:
        if executable is not None:
            _permit(libc, ruleset, executable, _EXECUTE | _READ_FILE)
            for library in map(Path, _LIBRARIES):
                _permit(libc, ruleset, library, _EXECUTE | _READ_FILE | (_READ_DIR if library.is_dir() else 0))
        libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        return libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _permit(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def drop_network() -> bool:
    """From now on this process and its children have no sockets, and no way to reach into other processes."""
    return _filter((*_NETWORK, *_KERNEL), processes=True)


def drop_processes() -> bool:
    """From now on this process starts no other."""
    return _filter(_PROCESSES, processes=False)


def _filter(refused: Iterable[str], *, processes: bool) -> bool:
    found = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or found is None:
        return False
    architecture, column = found
    numbers = [number for name in refused if (number := _SYSCALLS[name][column]) is not None]
    program = _program(architecture, numbers, _SYSCALLS["clone"][column], processes=processes)
    code = ctypes.create_string_buffer(b"".join(program), 8 * len(program))
    described = struct.pack("HP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    return libc.syscall(_SYSCALLS["seccomp"][column], _FILTER, _ALL_THREADS, described) == 0


def _program(architecture: int, numbers: Sequence[int], clone: int | None, *, processes: bool) -> list[bytes]:
    """A filter of classic BPF: what is not refused is allowed; threads are no processes."""
    program = [
        _step(_LOAD, 4),
        *_unless(_EQUAL, architecture, _ERRNO | _EPERM, otherwise=True),
        _step(_LOAD, 0),
        *_unless(_AT_LEAST, _X32, _ERRNO | _EPERM),
    ]
    for number in numbers:
        program += _unless(_EQUAL, number, _ERRNO | _EPERM)
    if not processes and clone is not None:
        program += _unless(_EQUAL, 435, _ERRNO | _ENOSYS)
        program += [_step(_EQUAL, clone, 0, 3), _step(_LOAD, 16)]
        program += [_step(_ANY_BIT, _CLONE_THREAD, 1, 0), _step(_RETURN, _ERRNO | _EPERM)]
    return [*program, _step(_RETURN, _ALLOW)]


def _unless(test: int, value: int, answer: int, *, otherwise: bool = False) -> list[bytes]:
    """Answer where the test holds; with ``otherwise``, where it does not."""
    return [_step(test, value, *((1, 0) if otherwise else (0, 1))), _step(_RETURN, answer)]


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)
