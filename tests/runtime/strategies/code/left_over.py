"""What the kernel says of processes."""

from contextlib import suppress
from pathlib import Path


def about(process, what):
    return Path(f"/proc/{process}/{what}").read_text()


def held_open(process):
    """Where the descriptors of a process lead."""
    found = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            found.add((descriptor.name, str(descriptor.readlink())))
    return [place for _, place in sorted(found)]


def processes_of(parent):
    """The pids of all processes below one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found += [int(stat.parent.name), *processes_of(int(stat.parent.name))]
    return found
