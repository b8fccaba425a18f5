"""A runner in small: a repository with a mesh, and composite actions executed from their own YAML."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from meshes import lock_texts

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
MESH = str(Path(sys.executable).with_name("mesh"))
REFERENCE = re.compile(r"\$\{\{ (inputs|steps|github)\.([\w.-]+) \}\}")


@dataclass
class Finished:
    """How an action ended: its steps by name with what they printed, its outputs, its summary."""

    code: int
    said: dict[str, str]
    outputs: dict[str, str]
    summary: str


@dataclass
class Runner:
    """Executes a composite action step by step, as GitHub does; `uses:` and the installation are left out."""

    folder: Path
    workspace: Path
    event: dict
    environment: dict[str, str] = field(default_factory=dict)
    mesh: str = MESH

    def run(self, name, /, **inputs):
        action = yaml.safe_load((GITHUB / "actions" / name / "action.yml").read_text())
        declared = action.get("inputs", {})
        given = {key: str(entry.get("default", "")) for key, entry in declared.items()}
        given |= {key.replace("_", "-"): value for key, value in inputs.items()}
        assert given.keys() == declared.keys()
        steps, said, code = {"install": {"mesh": self.mesh}}, {}, 0
        self.folder.mkdir(exist_ok=True)
        summary = self.folder / "summary"
        summary.unlink(missing_ok=True)
        for step in action["runs"]["steps"]:
            if "uses" in step or step.get("id") == "install":
                continue
            env = {key: self.value(text, given, steps) for key, text in step["env"].items()}
            done, written = self.step(GITHUB / "actions" / name, step, env, summary)
            steps[step.get("id")] = written
            said[step["name"]] = done.stdout + done.stderr
            code = done.returncode
            if code:
                break
        outputs = {key: self.value(entry["value"], given, steps) for key, entry in action.get("outputs", {}).items()}
        return Finished(code, said, outputs, summary.read_text() if summary.exists() else "")

    def value(self, text, inputs, steps):
        def found(match):
            kind, name = match.groups()
            if kind == "inputs":
                return self.value(inputs[name], inputs, steps)
            if kind == "github":
                return {"token": "t0ken-of-this-run"}[name]
            step, outputs, key = name.split(".")
            assert outputs == "outputs"
            return steps.get(step, {}).get(key, "")

        return REFERENCE.sub(found, str(text))

    def step(self, folder, step, env, summary):
        payload, outputs = self.folder / "event.json", self.folder / "outputs"
        payload.write_text(json.dumps(self.event))
        outputs.write_text("")
        runner = {
            "GITHUB_ACTION_PATH": str(folder),
            "GITHUB_EVENT_PATH": str(payload),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_SERVER_URL": "https://github.com",
            "RUNNER_TEMP": str(self.folder),
        }
        assert step["shell"] == "sh"
        done = subprocess.run(
            ["sh", "-e", "-c", step["run"]],
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
            cwd=self.workspace,
            env=os.environ | runner | self.environment | env,
        )
        return done, dict(line.split("=", 1) for line in outputs.read_text().splitlines())


class Repository:
    """A git repository in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def git(self, *words):
        who = ["-c", "user.name=dev", "-c", "user.email=dev@example.com", "-c", "protocol.file.allow=always"]
        done = subprocess.run(
            ["git", *who, *words], check=True, capture_output=True, text=True, timeout=60, cwd=self.folder
        )
        return done.stdout.strip()

    def commit(self, text):
        for path, content in {"mesh.yaml": text, **lock_texts(text)}.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")
        return self.git("rev-parse", "HEAD")
