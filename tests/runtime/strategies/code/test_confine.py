"""What a process gives up really is gone: tried from inside, by native means, in a process of its own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="landlock and seccomp are of Linux")

TRY = """
import os, socket, sys
from pathlib import Path
from meshplan.runtime.strategies.code import confine
{before}
def attempt(what):
    try:
        what()
    except OSError as error:
        return error.strerror
    return "done"
print(attempt(lambda: {what}))
"""


def attempt(what, before):
    code = TRY.format(what=what, before=before)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("what", "before", "said"),
    [
        ("open('/etc/passwd')", "assert confine.drop_files(None)", "Permission denied"),
        ("open('/etc/passwd')", "assert confine.drop_files(Path(sys.executable))", "Permission denied"),
        ("open('/dev/null', 'w')", "assert confine.drop_files(Path(sys.executable))", "Permission denied"),
        ("os.listdir('/')", "assert confine.drop_files(None)", "Permission denied"),
        ("os.execv('/bin/true', ['true'])", "assert confine.drop_files(Path('/etc/passwd'))", "Permission denied"),
        ("socket.socket()", "assert confine.drop_network()", "Operation not permitted"),
        ("socket.socket(socket.AF_UNIX)", "assert confine.drop_network()", "Operation not permitted"),
        ("os.memfd_create('x')", "assert confine.drop_network()", "Operation not permitted"),
        ("os.fork()", "assert confine.drop_processes()", "Operation not permitted"),
        ("os.execv('/bin/true', ['true'])", "assert confine.drop_processes()", "Operation not permitted"),
        ("os.pipe()", "import resource; confine.limit(resource.RLIMIT_NOFILE, 3)", "Too many open files"),
    ],
)
def test_what_is_dropped_is_gone(what, before, said):
    assert attempt(what, "pass").startswith("done") or "execv" in what
    assert attempt(what, before) == said


def test_threads_still_start_where_processes_do_not():
    code = (
        "import threading\nfrom meshplan.runtime.strategies.code import confine\nassert confine.drop_processes()\n"
        "t = threading.Thread(target=print, args=('ran',)); t.start(); t.join()"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "ran\n"


def test_the_process_imports_nothing_of_the_runtime():
    code = "import sys, meshplan.runtime.strategies.code.host\nprint(*sorted(n for n in sys.modules if n.startswith('meshplan.')))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    ours = "meshplan.runtime.strategies.code"
    assert done.stdout.split() == [
        "meshplan.runtime",
        "meshplan.runtime.strategies",
        ours,
        f"{ours}.confine",
        f"{ours}.frames",
        f"{ours}.host",
        f"{ours}.host_wire",
        f"{ours}.outward",
        f"{ours}.run",
    ]
