"""Programs that mean harm or do it by mistake: name, text, and how each ends (the kind of failure, or none)."""

from typing import NamedTuple


class Attack(NamedTuple):
    name: str
    code: str
    ends: tuple[str | None, ...]


_GUARDED = "try:\n{}\nexcept BaseException:\n  pass\nwhile True:\n  pass"


def _guarded(line):
    return _GUARDED.format("\n".join(f"  {one}" for one in line.splitlines()))


ATTACKS = (
    Attack("infinite loop", "while True: pass", ("wall",)),
    Attack("infinite loop that catches all", _guarded("while True: pass"), ("wall",)),
    Attack("endless comprehension", "[0 for _ in iter(int, 1)]", ("wall", "memory", "error")),
    Attack("memory bomb", "x = []\nwhile True: x.append('a' * 1000000)", ("memory",)),
    Attack("memory bomb that catches all", _guarded("x = []\nwhile True: x.append('a' * 1000000)"), ("memory", "wall")),
    Attack("many small objects", "d = {}\ni = 0\nwhile True:\n  d[i] = [i]\n  i += 1", ("memory", "wall")),
    Attack("doubling", "x = [1]\nwhile True: x = x + x", ("memory",)),
    Attack("giant string", "len('a' * 10**10)", ("memory",)),
    Attack("giant number", "len(str(10 ** 10 ** 8))", ("memory", "error", "wall")),
    Attack("giant padding", "len('{:>9999999999}'.format(1))", ("memory", "error")),
    Attack("deep recursion", "def f(n): return f(n + 1)\nf(0)", ("error",)),
    Attack("deep source", "(" * 20000 + ")" * 20000, ("syntax", "error")),
    Attack("deep value", "x = []\nfor i in range(200000): x = [x]\nx", ("output",)),
    Attack("value with itself in it", "x = [1]\nx.append(x)\nx", (None,)),
    Attack("value that unfolds", "['x' * 1000] * 100000", ("output",)),
    Attack("value that unfolds in levels", "x = ['y' * 1000]\nfor i in range(30): x = [x, x]\nx", ("output",)),
    Attack("value of many parts", "[0] * 500000", (None, "output", "wall", "memory")),
    Attack("argument of many parts", "await f(x=[[]] * 300000)", ("error", "wall", "memory")),
    Attack("argument of as many parts as may be", "await f(x=[[]] * 19000)", (None,)),
    Attack("100 MB of prints", "for i in range(100000): print('x' * 1000)", ("logs",)),
    Attack("endless prints", "while True: print('x')", ("logs",)),
    Attack(
        "100,000 calls at a time", "import asyncio\nawait asyncio.gather(*[f(i=i) for i in range(100000)])", ("calls",)
    ),
    Attack("100,000 calls in turn", "for i in range(100000):\n  await f(i=i)", ("calls",)),
    Attack("calls that catch all", "while True:\n  try:\n    await f()\n  except BaseException:\n    pass", ("calls",)),
    Attack("giant argument", "await f(x='a' * 5000000)", ("error",)),
    Attack("argument that unfolds", "await f(x=['a' * 1000000] * 1000)", ("error",)),
    Attack("sleep", "import time\ntime.sleep(1000)", ("wall",)),
    Attack("asynchronous sleep", "import asyncio\nawait asyncio.sleep(1000)", ("wall",)),
    Attack("waits for a call that never ends", "await hang()", ("wall",)),
    Attack("catches its cancellation", _guarded("await hang()"), ("wall",)),
    Attack("huge message", "raise ValueError('y' * 10000000)", ("error",)),
    Attack(
        "huge message in a chain",
        "try:\n  1/0\nexcept Exception as e:\n  raise ValueError('y' * 1000000) from e",
        ("error",),
    ),
    Attack("regular expression", "import re\nre.match('(a+)+$', 'a' * 40 + 'b')", (None, "wall", "error")),
    Attack("fork", "import os\nos.fork()", ("error",)),
    Attack("subprocess", "import subprocess\nsubprocess.run(['true'])", ("error",)),
    Attack("system", "import os\nos.system('true')", ("error",)),
    Attack("multiprocessing", "import multiprocessing\nmultiprocessing.Process()", ("error",)),
    Attack("thread", "import threading\nthreading.Thread()", ("error",)),
    Attack("reads a file", "open('/etc/passwd').read()", ("error",)),
    Attack("reads a file by path", "from pathlib import Path\nPath('/etc/passwd').read_text()", ("error",)),
    Attack("writes a file", "open('/tmp/x', 'w').write('x')", ("error",)),
    Attack("lists a folder", "import os\nos.listdir('/')", ("error",)),
    Attack("socket", "import socket\nsocket.socket()", ("error",)),
    Attack("fetches", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1')", ("error",)),
    Attack("environment", "import os\nos.environ['PATH']", ("error",)),
    Attack("foreign code", "import ctypes\nctypes.CDLL(None)", ("error",)),
    Attack("walks to object", "().__class__.__mro__[1].__subclasses__()", ("error",)),
    Attack("walks to globals", "(lambda: 0).__globals__", ("error",)),
    Attack("walks through a function", "f.__code__", ("error",)),
    Attack(
        "walks through a frame", "try:\n  1/0\nexcept Exception as e:\n  e.__traceback__.tb_frame.f_globals", ("error",)
    ),
    Attack("imports by name", "__import__('os').system('true')", ("error",)),
    Attack("builtins", "__builtins__['open']", ("error",)),
    Attack("modules", "import sys\nsys.modules['os']", ("error",)),
)
