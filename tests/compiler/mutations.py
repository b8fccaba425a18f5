"""Broken inputs without end: every case file and the full language, cut, repeated, spliced, and changed as data."""

from __future__ import annotations

import copy
import json
import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from meshes import TODAY, lock_texts, with_sections

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import MemoryReader
from meshplan.compiler.render.text import render_text
from meshplan.compiler.render.view import view
from meshplan.compiler.source import read_yaml

CASES = Path(__file__).parent / "cases"
TOKENS = (
    *" \n\t#'\"{}[],:&*!|>%@`-?~\\$.\0\ufeff\u202eé🙂",
    *("\n  ", "\n- ", ": ", "&a ", "*a ", "<<: ", "!!str ", "---\n", "...\n", "{{ x }}", "${param.region}", "${param."),
    *("null", "true", "no", "0x1f", "012", "1e999", "12:30", ".inf", "-1", "99999999999999999999", "2027-02-30"),
    *("servers:", "virtual:", "roles:", "grants:", "include: ['*.yaml']", "when: ", "patch: [", "set: ", "tools: all"),
    *(
        "notes",
        "tickets",
        "args.",
        "has(",
        " && ",
        " in ",
        "principal.teams",
        "steps.note",
        "[own]",
        "'" * 30,
        "((" * 30,
    ),
    *("x" * 3000, "[" * 70, "{a: " * 70, "a.b" * 500, "*" * 200, "\u0000", "\ud83d", "\u2028", "\x85"),
)
VALUES = [
    None,
    True,
    False,
    0,
    -1,
    7,
    10**18,
    1.5,
    "",
    "x",
    "all",
    "read",
    "notes",
    "*",
    "**",
    "${param.region}",
    "30s",
]
VALUES += ["https://x.example/mcp", "args.id > 0", "a.b[c]", [], [[]], {}, [None], {"": None}, {"env": "X"}, ["x"] * 50]
VALUES += [{"server": "notes"}, {"team": "engineering"}, {"a": {"b": {"c": {}}}}, "\n", "é" * 200, "é\u202e", "[" * 40]


@dataclass(frozen=True)
class Input:
    """A mesh.yaml, the files beside it, and the environment to compile."""

    text: str
    files: dict[str, str]
    environment: str | None


@cache
def corpus() -> tuple[Input, ...]:
    """Every case, and as often a sound one."""
    paths = sorted(CASES.glob("*/*.yaml"))
    sound = [path for path in paths if path.parent.name == "ok"]
    read = {path: _read(path.read_bytes().decode()) for path in paths}
    return tuple(read[path] for path in (*paths, *sound * (len(paths) // len(sound))))


def _read(text: str) -> Input:
    main, *others = re.split(r"^#@ (.+)\n", text, flags=re.MULTILINE)
    environment = re.match(r"#env (\S+)\n", main)
    main = main[environment.end() :] if environment else main
    if main.startswith("#+ sections\n"):
        main = with_sections(main.removeprefix("#+ sections\n"))
    name = environment[1] if environment else None
    files = dict(zip(others[::2], others[1::2], strict=True))
    return Input(main, {**lock_texts(main, files, name), **files}, name)


def make(seed: int) -> Input:
    """One input; the same seed gives the same one."""
    rng = random.Random(seed)
    base = rng.choice(corpus())
    way = rng.choice((*(_as_text,) * 4, _as_bytes, *(_as_data,) * 3, _soup)) if rng.random() > 0.01 else _bomb
    text = way(rng, base.text)
    files = {name: _as_text(rng, part) if rng.random() < 0.1 else part for name, part in base.files.items()}
    if rng.random() < 0.1:
        files["parts/more.yaml"] = _as_text(rng, rng.choice(corpus()).text)
        text += "\ninclude: [parts/*.yaml]\n"
    return Input(text, files, "prod" if "prod:" in text and rng.random() < 0.3 else base.environment)


def _as_text(rng: random.Random, text: str) -> str:
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.choice((0, 1, 1, 3, 10, 40, 400)))
        there = text[start:end]
        other = rng.choice(corpus()).text
        at = rng.randint(0, len(other))
        lines = text.split("\n")
        row = rng.randrange(len(lines))
        match rng.randrange(8):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:end] + there * rng.choice((1, 1, 2, 30)) + text[end:]
            case 2 | 3:
                text = text[:start] + rng.choice(TOKENS) + text[end:]
            case 4:
                text = text[:start] + other[at : at + rng.choice((5, 50, 500))] + text[end:]
            case 5:
                lines[row] = rng.choice(("  ", "\t", "- ", "")) + lines[row].removeprefix(rng.choice(("  ", "")))
                text = "\n".join(lines)
            case 6:
                text = "\n".join([*lines[:row], *[lines[row]] * rng.choice((2, 3, 200)), *lines[row + 1 :]])
            case _:
                words = re.findall(r"[A-Za-z_]{3,}", text) or ["x"]
                word = rng.choice(words)
                text = text.replace(word, rng.choice((word[:-1], word[::-1], word.upper(), rng.choice(words))), 1)
    return text


def _as_bytes(rng: random.Random, text: str) -> str:
    raw = bytearray(text.encode("utf-8", errors="replace"))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(raw) + 1)
        raw[at : at + rng.randint(0, 2)] = bytes(rng.choices(range(256), k=rng.randint(0, 3)))
    return raw.decode("utf-8", errors="replace")


def _as_data(rng: random.Random, text: str) -> str:
    """Values moved, replaced, renamed and taken away in the parsed document, written as JSON, which is YAML."""
    root, _ = read_yaml("mesh.yaml", text)
    if root is None:
        return _as_text(rng, text)
    data = json.loads(json.dumps(root, default=str))
    for _ in range(rng.choice((1, 1, 2, 4))):
        holders = [node for node in _nodes(data) if node]
        holder = rng.choice(holders or [data])
        value = copy.deepcopy(rng.choice((rng.choice(VALUES), rng.choice(VALUES), rng.choice(list(_nodes(data))))))
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder))) if holder else None
        if key is None:
            continue
        if rng.random() < 0.2:
            del holder[key]
        elif isinstance(holder, dict) and rng.random() < 0.3:
            holder[rng.choice((key[:-1], key + "s", key.upper(), "server", "when", ""))] = holder.pop(key)
        else:
            holder[key] = value
    return json.dumps(data, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 1)))


def _nodes(node: object) -> list:
    found = []
    if isinstance(node, dict | list):
        found.append(node)
        for value in node.values() if isinstance(node, dict) else node:
            found += _nodes(value)
    return found


def _soup(rng: random.Random, text: str) -> str:
    words = [*TOKENS, *re.findall(r"\S+", text)]
    return "".join(rng.choice(words) + rng.choice(("", " ", "\n", "\n  ")) for _ in range(rng.randint(1, 60)))


def _bomb(rng: random.Random, text: str) -> str:
    """Large in one way: long, wide, deep, or full of the same mistake."""
    many = rng.choice((1_000, 20_000))
    rows = "".join(f"  s{n}: {{stdio: [python, s{n}.py], timout: 3s, on_drft: block}}\n" for n in range(many // 10))
    condition = " && ".join(["args.id > 0"] * rng.choice((50, 300)))
    rule = f"      - {{server: notes, tools: [get_note], when: '{condition}'}}\n"
    return rng.choice(
        (
            text + "extra: [" + "x, " * many * 10 + "]\n",
            text + "extra: " + "[" * many,
            text + "extra: " + "x" * many * 50 + "\n",
            text + "".join(f"key{n}: {n}\n" for n in range(many)),
            text.replace("servers:\n", f"servers:\n{rows}"),
            text.replace("    allow:\n", f"    allow:\n{rule * (many // 100)}"),
            text + "x: '" + "''" * many * 20,
            text + "# " + "é" * 6_000_000,
            text.replace("notes", "n" * many),
            text + "y: " + '"' + "\\u0041" * many + '"\n',
            text + "include: [" + "parts/*.yaml, " * many + "]\n",
            text + "description: '" + "${param.x}" * many + "'\n",
            text.replace("grants:\n", "grants:\n" + "  - {role: raeder, to: [{team: enginering}]}\n" * (many // 10)),
        )
    )


def outcome(given: Input) -> tuple[bool, Diagnostics]:
    """Compile and show; raises ``AssertionError`` where there is neither a plan nor an error, or a place is nowhere."""
    reader = MemoryReader({"mesh.yaml": given.text, **given.files})
    compiled = compile_mesh(reader, today=TODAY, environment=given.environment)
    errors = [d for d in compiled.diagnostics if d.severity == "error"]
    assert (compiled.bundle is None) == bool(errors)
    for diagnostic in compiled.diagnostics:
        for span in (diagnostic.span, *(label.span for label in diagnostic.labels)):
            assert 1 <= span.line <= span.end_line
            assert span.column >= 1
            assert 0 <= span.start <= span.end <= max(1, len(compiled.texts.get(span.file, " ")) + 1)
    shown = render_text(view(compiled.diagnostics[:10], compiled.texts))
    assert bool(shown) == bool(compiled.diagnostics)
    return compiled.bundle is not None, compiled.diagnostics
