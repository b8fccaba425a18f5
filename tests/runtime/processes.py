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


@contextmanager
def serving(*args, cwd=None, env=None):
    command = [sys.executable, "-m", "meshplan.runtime", "serve", "--listen", "127.0.0.1:0", *map(str, args)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=cwd, env=env) as process:
        try:
            for line in process.stderr:
                if line.startswith("serving "):
                    base = "/".join(line.split()[1].split("/")[:3]).rstrip(",")
                    admin = line.partition("; status at ")[2].strip().removesuffix("/status")
                    yield Running(process, base, admin)
                    break
        finally:
            process.terminate()
            process.wait(30)
