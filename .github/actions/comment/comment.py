"""The `comment` action: puts the reports of a finished run on its pull request; all that the run left is untrusted."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defang import LIMIT, defang, fitting, length

ARCHIVE_LIMIT = 20 << 20
"""Bytes of the artifact."""
REPORT_LIMIT = 4 * LIMIT
"""Bytes of one report."""
MOST = 50
"""Reports of one run."""
PAGES = 100
"""Pages of a hundred comments that are looked through."""
_REPORT = re.compile(r"plan(?:-[a-z][a-z0-9_-]{0,62})?\.md\Z")
_NUMBER = re.compile(rb"[1-9][0-9]{0,8}\n?\Z")
_MARKER = re.compile(r"<!-- meshplan:diff:(\*|[a-z][a-z0-9_-]{0,62}) -->\n")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_MINUTES = 2


class Refused(Exception):
    """What the run left is not what the plan action writes, or is not about this run."""


class Idle(Exception):
    """There is nothing to do, and that is no mistake."""


@dataclass(frozen=True, slots=True)
class Run:
    """The finished run, as GitHub itself tells of it."""

    id: int
    repository: str
    url: str
    sha: str
    branch: str
    head_repository: str


def finished_run(env: Mapping[str, str]) -> Run:
    """Read the event; raises ``Idle`` for a run that no pull request started."""
    event = json.loads(Path(env["GITHUB_EVENT_PATH"]).read_text())["workflow_run"]
    if event["event"] != "pull_request":
        raise Idle("the run was not started by a pull request")
    repository, number = env["GITHUB_REPOSITORY"], int(event["id"])
    url = f"{env.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}/actions/runs/{number}"
    return Run(
        number, repository, url, event["head_sha"], event["head_branch"], _named(event["head_repository"], "full_name")
    )


def _named(found: Any, key: str) -> str:
    """A name out of an object of the API, or nothing where the account or the fork is gone."""
    return str(found[key]) if found else ""


def artifact(run: Run, name: str) -> bytes:
    """The archive of the run's newest artifact of that name."""
    listed = _json(f"repos/{run.repository}/actions/runs/{run.id}/artifacts?name={name}&per_page=100")
    found = [entry for entry in listed["artifacts"] if entry["name"] == name and not entry["expired"]]
    if not found:
        raise Idle(f"the run kept no artifact `{name}`")
    newest = max(found, key=lambda entry: int(entry["id"]))
    if int(newest["size_in_bytes"]) > ARCHIVE_LIMIT:
        raise Refused(f"the artifact has more than {ARCHIVE_LIMIT} bytes")
    return _gh(f"repos/{run.repository}/actions/artifacts/{int(newest['id'])}/zip")


def contents(archive: bytes) -> tuple[int, dict[str, str]]:
    """The number of the pull request, and the reports by their environment (`*`: all); nothing is written to disk."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            members = opened.infolist()
            files = [_member(opened, one) for one in members if _REPORT.match(one.filename)][: MOST + 1]
            numbers = [_member(opened, one) for one in members if one.filename == "pull-request"]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Refused("the artifact is not an archive that can be read") from error
    if len(files) > MOST:
        raise Refused(f"there are more than {MOST} reports")
    if len(numbers) != 1 or not _NUMBER.match(numbers[0]):
        raise Refused("the artifact does not hold the number of one pull request")
    reports = [_report(content) for content in files]
    if len(dict(reports)) != len(reports):
        raise Refused("two reports have the same marker")
    return int(numbers[0]), dict(reports)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        content = file.read(REPORT_LIMIT + 1)
    if len(content) > REPORT_LIMIT:
        raise Refused(f"a file of the artifact has more than {REPORT_LIMIT} bytes")
    return content


def _report(content: bytes) -> tuple[str, str]:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Refused("a report is not UTF-8") from error
    marker = _MARKER.match(text)
    if marker is None:
        raise Refused("a report does not begin with the marker of one environment")
    return marker[1], text[marker.end() :]


def check(run: Run, number: int) -> None:
    """Refuse to write to another pull request than the one that the run was for."""
    pull = _json(f"repos/{run.repository}/pulls/{number}")
    head = pull["head"]
    source = _named(head["repo"], "full_name")
    place = (_named(pull["base"]["repo"], "full_name"), source, str(head["ref"]))
    if place != (run.repository, run.head_repository, run.branch) or not source:
        raise Refused(f"pull request {number} is not the one that the run was for")
    if pull["state"] != "open":
        raise Idle(f"pull request {number} is closed")
    if head["sha"] != run.sha:
        raise Idle(f"pull request {number} has newer commits than the run")


def bodies(run: Run, name: str, reports: Mapping[str, str]) -> dict[str, str]:
    """The comments by their own marker; what the run says stands below what we say, so that it cannot hide it."""
    found: dict[str, str] = {}
    for environment, report in reports.items():
        marker = f"{_scope(name)}{environment} -->"
        title = "" if environment == "*" else f" for `{environment}`"
        head = f"{marker}\n<sub>Reported{title} by [this run]({run.url}) for {run.sha}, as the pull request has it.{{}}</sub>\n\n"
        cut = " It is cut short here; the run's summary has more."
        text, whole = fitting(defang(report), LIMIT - length(head) - length(cut))
        found[marker] = head.format("" if whole else cut) + text
    return found


def _scope(name: str) -> str:
    return f"<!-- meshplan:comment:{name}:"


def publish(run: Run, number: int, name: str, author: str, wanted: Mapping[str, str]) -> None:
    """Create what is new, update what is there, and say of the rest that it is about nothing any more."""
    known = _ours(run, number, name, author)
    for marker, body in wanted.items():
        if marker in known:
            _send("PATCH", f"repos/{run.repository}/issues/comments/{known[marker]}", body)
        else:
            _send("POST", f"repos/{run.repository}/issues/{number}/comments", body)
    for marker, comment in known.items():
        if marker not in wanted:
            gone = f"{marker}\n[The newest run]({run.url}) reports nothing under this name.\n"
            _send("PATCH", f"repos/{run.repository}/issues/comments/{comment}", gone)


def _ours(run: Run, number: int, name: str, author: str) -> dict[str, int]:
    """Our comments by their marker, the oldest of each; a marker in another author's comment is no marker."""
    found: dict[str, int] = {}
    for page in range(1, PAGES + 1):
        comments = _json(f"repos/{run.repository}/issues/{number}/comments?per_page=100&page={page}")
        for comment in comments:
            marker = str(comment["body"] or "").partition("\n")[0].rstrip("\r")
            if _named(comment["user"], "login") == author and marker.startswith(_scope(name)):
                found.setdefault(marker, int(comment["id"]))
        if len(comments) < 100:
            break
    return found


def _send(method: str, path: str, body: str) -> None:
    _gh("--method", method, path, "--input", "-", body=json.dumps({"body": body}).encode())


def _json(path: str) -> Any:
    return json.loads(_gh(path))


def _gh(*words: str, body: bytes = b"") -> bytes:
    done = subprocess.run(["gh", "api", *words], check=False, capture_output=True, input=body, timeout=60 * _MINUTES)
    if done.returncode:
        raise Refused(f"`gh api` ended with exit code {done.returncode}: {done.stderr.decode(errors='replace')[:500]}")
    return done.stdout


def main() -> None:
    """One run, one pull request."""
    name = os.environ["MESH_NAME"]
    if not _NAME.match(name):
        raise Refused("the input `name` is not the name of an artifact")
    run = finished_run(os.environ)
    number, reports = contents(artifact(run, name))
    check(run, number)
    publish(run, number, name, os.environ["MESH_AUTHOR"], bodies(run, name, reports))


def say(level: str, error: Exception) -> None:
    """Print one annotation."""
    text = str(error).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{level} title=mesh::{text}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Idle as idle:
        say("notice", idle)
    except Refused as refused:
        say("error", refused)
        sys.exit(1)
