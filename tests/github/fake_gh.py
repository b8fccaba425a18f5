"""`gh api` over a state in a file: answers what the comment action asks, and records every call."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

FOLDER = Path(os.environ["FAKE_GH"])
REPOSITORY = "repos/acme/mesh"


def main():
    words = sys.argv[1:]
    assert words.pop(0) == "api"
    assert os.environ["GH_TOKEN"]
    state = json.loads((FOLDER / "state.json").read_text())
    method, body = "GET", None
    if words[0] == "--method":
        method, words = words[1], words[2:]
        assert words[1:] == ["--input", "-"]
        body = json.loads(sys.stdin.read())["body"]
    url = urlsplit(words[0])
    state["calls"].append([method, words[0]])
    answer = answered(state, method, url.path.removeprefix(REPOSITORY + "/"), parse_qs(url.query), body)
    (FOLDER / "state.json").write_text(json.dumps(state))
    if answer is None:
        sys.exit("gh: Not Found (HTTP 404)")
    sys.stdout.buffer.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def answered(state, method, path, query, body):
    comments = state["comments"]
    match method, path.split("/"):
        case "GET", ["actions", "runs", "41", "artifacts"]:
            return {"artifacts": [one for one in state["artifacts"] if one["name"] == query["name"][0]]}
        case "GET", ["actions", "artifacts", number, "zip"]:
            return (FOLDER / f"{int(number)}.zip").read_bytes()
        case "GET", ["pulls", number]:
            return state["pulls"].get(number)
        case "GET", ["issues", number, "comments"]:
            first = 100 * (int(query["page"][0]) - 1)
            return [one for one in comments if one["issue"] == number][first : first + 100]
        case "POST", ["issues", number, "comments"]:
            user = {"login": "github-actions[bot]"}
            comments.append({"id": 1000 + len(comments), "issue": number, "user": user, "body": body})
            return comments[-1]
        case "PATCH", ["issues", "comments", number]:
            (found,) = [one for one in comments if one["id"] == int(number)]
            return found | {"body": found.update(body=body)}
    return None


main()
