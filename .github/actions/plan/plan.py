"""The `plan` action: writes what a change means as reports for people and machines; what follows from them, gate.sh says."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUMMARY_LIMIT = 1_000_000
"""Bytes of a step summary; GitHub refuses one of more than 1 MiB."""
SEVERITY = (70, 64, 6, 5, 3, 1, 4, 7, 2, 0)
"""Exit codes of mesh, the one that wins first."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_MARKER = re.compile(r"\A<!-- meshplan:diff:[^\n]*-->\n")
_FORMATS = {"json": "json", "markdown": "md", "sarif": "sarif"}
_MINUTES = 10


class Refused(Exception):
    """The action cannot do its work; ``code`` is the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Settings:
    """The inputs of the action, judged."""

    mesh: tuple[str, ...]
    """The command with the options that every subcommand shares."""
    environments: tuple[str | None, ...]
    """What each report is about; ``None``: every environment together."""
    base: str
    report: Path
    token: str
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def settings(env: Mapping[str, str]) -> Settings:
    """Read the inputs from the environment; raises ``Refused`` (64) for one that cannot be meant."""
    names = env.get("MESH_ENVIRONMENTS", "").split()
    for name in names:
        if not _ENVIRONMENT.match(name):
            raise Refused(f"`{name}` is not the name of an environment", 64)
    artifact = env.get("MESH_NAME", "mesh-plan")
    if not _NAME.match(artifact):
        raise Refused(f"`{artifact}` is not a name for an artifact: letters, digits, `.`, `_` and `-`", 64)
    mesh = [env["MESH"], "-C", env.get("MESH_DIRECTORY") or ".", "-f", env.get("MESH_FILE") or "mesh.yaml"]
    for pair in env.get("MESH_PARAMETERS", "").splitlines():
        mesh += ["--param", pair.strip()] if pair.strip() else []
    return Settings(
        tuple(mesh),
        tuple(dict.fromkeys(names)) or (None,),
        env.get("MESH_BASE", "").strip(),
        Path(env["RUNNER_TEMP"]) / artifact,
        env.get("MESH_TOKEN", ""),
        json.loads(Path(env["GITHUB_EVENT_PATH"]).read_text()),
    )


def base_commit(chosen: Settings) -> str:
    """The exact commit to compare with.

    Where the merge of a pull request is checked out, that is the commit that it was merged into: the base in the event may
    be older, and what others merged since would be shown as this pull request's.
    """
    if chosen.base:
        return _commit(chosen.base)
    pull = chosen.event.get("pull_request")
    if pull is not None:
        parents = _parents()
        merged = len(parents) == 2 and parents[1] == pull["head"]["sha"]
        return _commit(parents[0] if merged else pull["base"]["sha"])
    group = chosen.event.get("merge_group")
    return _commit(group["base_sha"] if group else chosen.event.get("before") or "")


def _commit(sha: str) -> str:
    if not _COMMIT.match(sha) or not sha.strip("0"):
        raise Refused("there is no base to compare with: give the full SHA of a commit as `base`", 64)
    return sha


def _parents() -> list[str]:
    """The parents that the commit itself names, which a shallow clone has, too."""
    head = run("git", "cat-file", "commit", "HEAD").out.partition("\n\n")[0]
    return [line.removeprefix("parent ") for line in head.splitlines() if line.startswith("parent ")]


def fetch(sha: str, token: str) -> None:
    """Have the commit in the clone; raises ``Refused`` (7) where it is not to be had."""
    if _there(sha):
        return
    shallow = run("git", "rev-parse", "--is-shallow-repository").out.strip() == "true"
    depth = ["--depth=1"] if shallow else []
    done = run("git", "fetch", "--quiet", "--no-tags", *depth, "origin", sha, env=authorized(token))
    if done.code or not _there(sha):
        say(done.err)
        what = "this clone is shallow and does not have" if shallow else "this clone does not have"
        raise Refused(f"{what} the base commit `{sha}`, and it cannot be fetched: check out with `fetch-depth: 0`", 7)


def _there(sha: str) -> bool:
    return run("git", "cat-file", "-e", f"{sha}^{{commit}}").code == 0


def authorized(token: str) -> dict[str, str]:
    """The environment for one call of git that may read the repository; whatever a checkout left is replaced."""
    if not token:
        return {}
    key = f"http.{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/.extraheader"
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    values = ("", f"AUTHORIZATION: basic {basic}")
    pairs = {f"GIT_CONFIG_KEY_{n}": key for n in range(2)} | {f"GIT_CONFIG_VALUE_{n}": v for n, v in enumerate(values)}
    return pairs | {"GIT_CONFIG_COUNT": "2", "GIT_TERMINAL_PROMPT": "0"}


def run(*words: str, env: Mapping[str, str] | None = None) -> Done:
    """Run a command that sees nothing of the token."""
    clean = {name: value for name, value in os.environ.items() if name != "MESH_TOKEN"}
    try:
        done = subprocess.run(
            words, check=False, capture_output=True, timeout=60 * _MINUTES, env=clean | dict(env or {})
        )
    except FileNotFoundError:
        raise Refused(f"there is no `{words[0]}` on this runner", 7) from None
    except subprocess.TimeoutExpired:
        raise Refused(f"`{Path(words[0]).name}` did not end within {_MINUTES} minutes", 7) from None
    return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def say(text: str) -> None:
    """Print what may come from anywhere: no line of it is a command to the runner."""
    if text:
        token = secrets.token_hex(16)
        print(f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::", flush=True)


def validate(chosen: Settings) -> int:
    """Annotate what is wrong with the files, and keep the same as SARIF; returns the exit code of mesh."""
    found = _each((*chosen.mesh, "validate"), ("github", "sarif"))
    say(found["github"].err)
    print(found["github"].out, end="", flush=True)
    _write(chosen.report / "validate.sarif", found["sarif"].out)
    return found["github"].code


def _each(words: Sequence[str], formats: Iterable[str]) -> dict[str, Done]:
    """One command in several formats, side by side."""
    with ThreadPoolExecutor() as pool:
        started = {form: pool.submit(run, *words, "--format", form) for form in formats}
        return {form: future.result() for form, future in started.items()}


def report(chosen: Settings, base: str, environment: str | None) -> int:
    """Write the reports of one environment, `plan-ENV.md` and the like; returns the exit code of mesh."""
    name = f"plan-{environment}" if environment else "plan"
    mesh = [*chosen.mesh, *(["--env", environment] if environment else [])]
    found = _each([*mesh, "plan", "--against", f"git:{base}", "--exit-code"], _FORMATS)
    code = worst([done.code for done in found.values()])
    say(found["markdown"].err)
    compared = code in (0, 2, 3)
    for form, ending in _FORMATS.items():
        if compared and form != "markdown":
            _write(chosen.report / f"{name}.{ending}", found[form].out)
    body = found["markdown"].out if compared else _failed(mesh, code)
    marker = f"<!-- meshplan:diff:{environment or '*'} -->\n"
    _write(chosen.report / f"{name}.md", marker + _MARKER.sub("", body))
    return code


def _failed(mesh: Sequence[str], code: int) -> str:
    """What stands in the place of a comparison that there is not."""
    mistakes = run(*mesh, "validate", "--format", "markdown")
    if code == 1 and mistakes.code:
        return mistakes.out
    return f"### mesh plan: nothing could be compared\n\nAs it ended with exit code {code}; the log of the run says more.\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def worst(codes: Sequence[int]) -> int:
    """The code that wins; one that mesh does not have is its own failure."""
    return min(codes, key=lambda code: SEVERITY.index(code) if code in SEVERITY else -1)


def summarize(path: Path, bodies: Sequence[str]) -> None:
    """Add the reports to the step summary, as many as it holds."""
    room = SUMMARY_LIMIT - (path.stat().st_size if path.exists() else 0) - 200
    shown: list[bytes] = []
    for body in bodies:
        text = f"{_MARKER.sub('', body)}\n".encode()
        if len(text) > room:
            break
        room -= len(text)
        shown.append(text)
    with path.open("ab") as summary:
        summary.writelines(shown)
        if len(shown) < len(bodies):
            summary.write(f"{len(bodies) - len(shown)} more reports are in the artifact.\n".encode())


def main() -> int:
    """Write every report and the outputs; the exit code tells only whether that could be done."""
    chosen = settings(os.environ)
    base = base_commit(chosen)
    fetch(base, chosen.token)
    shutil.rmtree(chosen.report, ignore_errors=True)
    chosen.report.mkdir(parents=True)
    if "pull_request" in chosen.event:
        _write(chosen.report / "pull-request", f"{int(chosen.event['pull_request']['number'])}\n")
    codes = [validate(chosen), *(report(chosen, base, name) for name in chosen.environments)]
    names = [f"plan-{name}.md" if name else "plan.md" for name in chosen.environments]
    summarize(Path(os.environ["GITHUB_STEP_SUMMARY"]), [(chosen.report / name).read_text() for name in names])
    code = worst(codes)
    changed = "true" if any(found in (2, 3) for found in codes) else "false"
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as outputs:
        outputs.write(f"code={code}\nchanged={changed}\nreport={chosen.report}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        text = str(refused).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        print(f"::error title=mesh::{text}", flush=True)
        sys.exit(refused.code)
