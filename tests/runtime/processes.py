"""Runtimes as processes, with their pages for operators on a port of their own."""

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Running:
    process: subprocess.Popen
    base: str
    admin: str
    lines: list[str]
    """What it has said on standard error; whole once it has ended."""


@contextmanager
def serving(*args, cwd=None, env=None):
    command = [sys.executable, "-m", "meshplan.runtime", "serve", "--listen", "127.0.0.1:0", *map(str, args)]
    lines = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=cwd, env=env) as process:
        try:
            for line in process.stderr:
                lines.append(line)
                if line.startswith("serving "):
                    base = "/".join(line.split()[1].split("/")[:3]).rstrip(",")
                    admin = line.partition("; console at ")[2].strip().removesuffix("/console")
                    yield Running(process, base, admin, lines)
                    break
        finally:
            process.terminate()
            lines += process.stderr.readlines()
            process.wait(30)
