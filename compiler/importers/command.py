"""The argv of a stdio server: wrappers taken off, secrets lifted out, references handed over by a shell at the end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

from meshplan.compiler.importers.fields import quoted
from meshplan.compiler.importers.model import Draft, Log, Ref, Template, literal, words
from meshplan.compiler.importers.pins import docker_run, program
from meshplan.compiler.importers.references import FOLDER, FOLDER_TAKEN, NAME, derived, variable
from meshplan.compiler.secrets import is_secret, name_is_secret, value_is_secret

_SHELLS: Final = frozenset(re.findall(r"\S+", "sh bash zsh dash ash ksh fish cmd powershell pwsh"))
_SCRIPT_FLAG: Final = re.compile(r"-[a-z]*c|/c|-command|-encodedcommand", re.IGNORECASE)
_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*:\s*((?:Bearer|Basic|Token)\s+)?(.*)", re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SWITCHES: Final = ("--no-", "--enable-", "--disable-")


def shown(argv: Sequence[Template]) -> list[str]:
    """Return an argv for looking at: a reference shows as `${NAME}`."""
    return ["".join(part if isinstance(part, str) else f"${{{part.name}}}" for part in item) for item in argv]


def unwrap(draft: Draft, server: str, log: Log) -> None:
    """Take `cmd /c` and `env NAME=value` off the front: mesh starts programs itself and sets their environment."""
    texts = shown(draft.argv)
    if program(texts) == "cmd" and len(texts) > 2 and texts[1].lower() == "/c":
        draft.argv = draft.argv[2:]
        log.add("info", server, f"{draft.where}.command", "`cmd /c` was dropped: mesh starts the program itself")
        texts = shown(draft.argv)
    if program(texts) == "env" and len(texts) > 2 and _ASSIGNMENT.match(texts[1]):
        at = 1
        while at < len(draft.argv) and _ASSIGNMENT.match(texts[at]):
            key, value = _cut(draft.argv[at], "=")
            draft.env[key] = value
            at += 1
        draft.argv = draft.argv[at:]
        log.add("info", server, f"{draft.where}.command", "`env` was dropped: its variables are under `env`")


def container_environment(draft: Draft, server: str, log: Log) -> None:
    """Turn `docker run -e NAME=secret` into `-e NAME`, and the value into the child's environment."""
    texts = shown(draft.argv)
    run = docker_run(texts)
    if run is None:
        return
    for at in range(run.start, run.image):
        flag, equals, _ = texts[at].partition("=")
        if flag == "--env-file":
            text = "`--env-file` stays as it is: the importer does not read that file, and neither does a reviewer"
            log.add("warning", server, f"{draft.where}.args", text, "declare each variable under `env` instead")
        if flag not in ("-e", "--env") or (not equals and at + 1 >= run.image):
            continue
        spot = at if equals else at + 1
        item = _cut(draft.argv[at], "=")[1] if equals else draft.argv[at + 1]
        key = _container_variable(draft, item, server, log)
        if key:
            draft.argv[spot] = words(f"{flag}={key}" if equals else key)


def _container_variable(draft: Draft, item: Template, server: str, log: Log) -> str:
    """Return the name to hand on where the value moves to the environment, or nothing where it can stay."""
    where = f"{draft.where}.args"
    if "=" not in shown([item])[0]:
        key = literal(item) or ""
        if NAME.fullmatch(key) and key not in draft.env and not value_is_secret(key):
            draft.env[key] = (Ref(key),)
            log.add("info", server, where, f"{quoted(key)} came from the client's own environment; it is declared now")
        return ""
    key, value = _cut(item, "=")
    text = literal(value)
    if not NAME.fullmatch(key) or (text is not None and not is_secret(key, text)):
        return ""
    draft.env[key] = value
    return key


def lift(draft: Draft, server: str, log: Log) -> None:
    """Replace every argument that looks like a secret by a reference."""
    if _is_script(draft):
        return
    texts = shown(draft.argv)
    for at in range(1, len(draft.argv)):
        found = _lifted(draft.argv[at], texts[at - 1] if at > 1 else "", server, at)
        if found is None:
            continue
        draft.argv[at] = found
        name = next(part.name for part in found if isinstance(part, Ref))
        text = f"argument {at} looks like a secret and was replaced by the variable `{name}`"
        log.add("question", server, f"{draft.where}.args[{at - 1}]", text, f"set `{name}` where the mesh runs")


def _lifted(item: Template, before: str, server: str, at: int) -> Template | None:
    text = shown([item])[0]
    held = "".join(part for part in item if isinstance(part, str))
    flag, equals, value = text.partition("=")
    if flag.startswith("-") and equals:
        secret = name_is_secret(flag, value) or value_is_secret(held)
        return _unless_reference(
            item, (f"{flag}=", Ref(derived(server, flag), secret=True)), secret=secret, value=value
        )
    if _is_secret_flag(before, text) and not text.startswith("-"):
        return _unless_reference(item, (Ref(derived(server, before), secret=True),), secret=True, value=text)
    if before in ("-H", "--header", "--headers") and (header := _HEADER.fullmatch(text)):
        name, scheme, value = header[1], header[2] or "", header[3]
        parts = (f"{name}: {scheme}", Ref(derived(server, name), secret=True))
        return _unless_reference(item, parts, secret=is_secret(name, value) or value_is_secret(held), value=value)
    if equals and NAME.fullmatch(flag) and name_is_secret(flag, value):
        return _unless_reference(item, (f"{flag}=", Ref(derived(server, flag), secret=True)), secret=True, value=value)
    if value_is_secret(held):
        label = before.lstrip("-") if before.startswith("--") and "=" not in before else f"ARG_{at}"
        return (Ref(derived(server, label), secret=True),)
    return None


def _unless_reference(item: Template, found: Template, *, secret: bool, value: str) -> Template | None:
    """Keep an item whose secret is a reference already."""
    is_reference = bool(re.fullmatch(r"\$\{[^}]*\}", value)) and any(isinstance(part, Ref) for part in item)
    return None if is_reference or not secret else found


def _is_secret_flag(before: str, value: str) -> bool:
    if not before.startswith("-") or "=" in before or before.startswith(_SWITCHES):
        return False
    return name_is_secret(before, value)


def hand_over(draft: Draft, server: str, log: Log) -> list[str] | None:
    """Return the argv as literal text, or None where it cannot be said without a secret.

    References that are left are expanded by `sh -c 'exec …'` from variables that the entry declares.
    """
    if _is_script(draft):
        return _script(draft, server, log)
    draft.argv = [_defaulted(item, f"{draft.where}.args", server, log) for item in draft.argv]
    names = [part.name for item in draft.argv for part in item if isinstance(part, Ref)]
    if not names and () not in draft.argv:
        return shown(draft.argv)
    if "" in names:
        text = f"{quoted(draft.original)} was left out: an argument is filled in by the client in a way that no file can say"
        log.add("warning", server, f"{draft.where}.args", text, "write the entry by hand with a literal argument")
        return None
    declared = {name: _declare(draft, name) for name in dict.fromkeys(names)}
    script = " ".join(_quoted(item, declared) for item in draft.argv)
    listed = ", ".join(f"`{name}`" for name in declared) or "one that is empty"
    text = f"arguments are literal in mesh.yaml, so `sh` hands over {listed}"
    log.add("question", server, f"{draft.where}.args", text, "better: let the server read it from its environment")
    return ["sh", "-c", f"exec {script}"]


def _defaulted(item: Template, where: str, server: str, log: Log) -> Template:
    parts: list[str | Ref] = []
    for part in item:
        if isinstance(part, str) or part.default is None or part.secret or is_secret(part.name, part.default):
            parts.append(part)
            continue
        if part.name == FOLDER:
            log.add("question", server, where, f"an argument {FOLDER_TAKEN}")
        else:
            text = f"{quoted(part.name or 'a reference')} has a default, which was written into the argument"
            log.add("question", server, where, text, "an environment can patch it")
        parts.append(part.default)
    return tuple(parts)


def _declare(draft: Draft, name: str) -> str:
    """Declare a variable for the shell; where the child has another one of that name, under a name of its own."""
    existing = draft.env.get(name)
    if existing is None:
        draft.env[name] = (Ref(name),)
        return name
    only = existing[0] if len(existing) == 1 else None
    if isinstance(only, Ref) and only.name == name:
        return name
    own = variable("arg", name)
    draft.env[own] = (Ref(name),)
    return own


def _quoted(item: Template, declared: dict[str, str]) -> str:
    parts = [shlex.quote(part) if isinstance(part, str) else f'"${declared[part.name]}"' for part in item]
    return "".join(parts) or "''"


def _is_script(draft: Draft) -> bool:
    texts = shown(draft.argv)
    return program(texts) in _SHELLS and any(_SCRIPT_FLAG.fullmatch(text) for text in texts[1:])


def _script(draft: Draft, server: str, log: Log) -> list[str] | None:
    """Keep a script as it is where it holds no secret; its `${NAME}` are what the shell itself expands."""
    refs = [part for item in draft.argv for part in item if isinstance(part, Ref)]
    windows = program(shown(draft.argv)) in ("cmd", "powershell", "pwsh")
    if (
        any(ref.secret or ref.asked or not ref.name for ref in refs)
        or (refs and windows)
        or _holds_secret(draft.argv[1:])
    ):
        text = f"{quoted(draft.original)} was left out: its shell script holds a secret or something that the client fills in"
        log.add("warning", server, f"{draft.where}.args", text, "move the value to a variable under `env` first")
        return None
    for name, default in {ref.name: ref.default for ref in refs}.items():
        if name == FOLDER:
            log.add("question", server, f"{draft.where}.args", f"the script {FOLDER_TAKEN}")
        elif name not in draft.env and default is not None:
            text = f"the script reads {quoted(name)}, which is not declared, so the default in the script holds"
            log.add("question", server, f"{draft.where}.args", text, "declare it under `env` to set it")
        elif name not in draft.env:
            draft.env[name] = (Ref(name),)
            text = f"the script reads {quoted(name)}, so it is declared under `env`"
            log.add("info", server, f"{draft.where}.args", text)
    return ["".join(_restored(part) for part in item) for item in draft.argv]


def _restored(part: str | Ref) -> str:
    if isinstance(part, str) or part.name == FOLDER:
        return part if isinstance(part, str) else "."
    return f"${{{part.name}}}" if part.default is None else f"${{{part.name}:-{part.default}}}"


def program_is_secret(draft: Draft) -> bool:
    """Tell whether the first word of an argv, which may be a whole command line, holds a secret."""
    return _holds_secret(draft.argv[:1])


def _holds_secret(items: Sequence[Template]) -> bool:
    for item in items:
        text = "".join(_restored(part) for part in item)
        tokens = re.split(r"[\s'\";|&()]+", text)
        if value_is_secret(text) or any(value_is_secret(token) for token in tokens):
            return True
        for before, token in zip(["", *tokens], tokens, strict=False):
            key, equals, value = token.partition("=")
            if equals and name_is_secret(key, value) and value and not value.startswith("$"):
                return True
            if _is_secret_flag(before, token) and token and not token.startswith(("-", "$")):
                return True
    return False


def _cut(item: Template, mark: str) -> tuple[str, Template]:
    """Split a template at the first mark, which its first part holds."""
    first, rest = item[0], item[1:]
    left, _, right = (first if isinstance(first, str) else "").partition(mark)
    return left, (*words(right), *rest)
