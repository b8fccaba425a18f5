"""Whether a command that fetches a package or an image says exactly which one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_EXACT: Final = re.compile(r"[0-9]+(?:\.[0-9]+)+(?:[.\-+]?[0-9A-Za-z.\-+]+)?")
_NODE: Final = {"npx": 0, "bunx": 0, "pnpx": 0, "pnpm": 1, "yarn": 1, "bun": 1, "npm": 1}
_NODE_RUN: Final = frozenset(("dlx", "exec", "x"))
_CONTAINERS: Final = frozenset(("docker", "podman", "nerdctl"))
_PACKAGE_FLAGS: Final = frozenset(("-p", "--package", "--from", "--with", "--spec"))
_SKIP_VALUE: Final = frozenset(
    ("-c", "--call", "--python", "--index-url", "--index", "--registry", "--directory", "--cache", "--project")
)
_DOCKER_VALUED: Final = frozenset(
    re.findall(
        r"\S+",
        "-e --env --env-file -v --volume --mount -p --publish --name --network --net -u --user -w --workdir --add-host "
        "--platform --entrypoint -l --label -m --memory --cpus --cap-add --cap-drop --security-opt --pull --tmpfs "
        "--device --gpus --ipc --pid --restart --log-driver --log-opt --dns -h --hostname --shm-size --ulimit "
        "--network-alias --runtime --userns --cidfile --expose --stop-timeout",
    )
)


def program(argv: Sequence[str]) -> str:
    """Return the bare name of the program: `/usr/bin/npx` and `npx.cmd` give `npx`."""
    name = PurePosixPath(argv[0].replace("\\", "/")).name.lower() if argv else ""
    return re.sub(r"\.(?:cmd|exe|bat|ps1)$", "", name)


@dataclass(frozen=True, slots=True)
class DockerRun:
    """Where the options and the image of a `docker run` stand in its argv."""

    start: int
    image: int


def docker_run(argv: Sequence[str]) -> DockerRun | None:
    """Find the image of a container command, or return None where the argv is no such command."""
    if program(argv) not in _CONTAINERS or "run" not in argv:
        return None
    start = at = argv.index("run") + 1
    while at < len(argv) and argv[at].startswith("-"):
        at += 2 if argv[at] in _DOCKER_VALUED else 1
    return DockerRun(start, at) if at < len(argv) else None


def unpinned(argv: Sequence[str]) -> tuple[str, str] | None:
    """Return the package or image that could change under its name and what would pin it, or None."""
    if run := docker_run(argv):
        return _image(argv[run.image])
    spec = package(argv)
    if spec is None or spec.startswith((".", "/", "~", "file:")):
        return None
    if program(argv) in ("uvx", "uv", "pipx"):
        return None if _python_pinned(spec) else (spec, "pin it as `package@1.2.3` or `package==1.2.3`")
    return None if _node_pinned(spec) else (spec, "pin it as `package@1.2.3`")


def package(argv: Sequence[str]) -> str | None:
    """Return the package that a runner such as npx or uvx would fetch, or None where there is none."""
    rest = _runner_arguments(argv)
    if rest is None:
        return None
    at = 0
    while at < len(rest):
        flag, equals, value = rest[at].partition("=")
        if flag in _PACKAGE_FLAGS:
            return value if equals else next(iter(rest[at + 1 :]), None)
        if flag in _SKIP_VALUE and not equals:
            at += 1
        elif not flag.startswith("-"):
            return rest[at]
        at += 1
    return None


def _runner_arguments(argv: Sequence[str]) -> Sequence[str] | None:
    name = program(argv)
    if name == "uvx":
        return argv[1:]
    if name == "uv":
        if list(argv[1:3]) == ["tool", "run"]:
            return argv[3:]
        with_package = "run" in argv and "--with" in argv
        return argv[argv.index("--with") :] if with_package else None
    if name == "pipx":
        return argv[2:] if argv[1:2] == ["run"] else None
    if name not in _NODE:
        return None
    skip = 1 + _NODE[name]
    return argv[skip:] if skip == 1 or (len(argv) > 1 and argv[1] in _NODE_RUN) else None


def _node_pinned(spec: str) -> bool:
    if spec.startswith(("github:", "git+", "http:", "https:")):
        return bool(re.search(r"#[0-9a-f]{40}$", spec))
    _, _, version = spec[1:].partition("@")
    return bool(_EXACT.fullmatch(version))


def _python_pinned(spec: str) -> bool:
    if "git+" in spec:
        return bool(re.search(r"@[0-9a-f]{40}(?:#|$)", spec))
    version = re.split(r"==|@", spec, maxsplit=1)[1:]
    return bool(version and _EXACT.fullmatch(version[0].strip()))


def _image(image: str) -> tuple[str, str] | None:
    if "@sha256:" in image:
        return None
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag and tag != "latest":
        return None
    return image, "pin it as `image@sha256:…`, or at least to a tag that does not move"
