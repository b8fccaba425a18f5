"""One check a feature: what it means that the mesh carries it, between any client and any server."""

import json
import queue
from uuid import uuid4

from era_upstream import NOVEL, PAGE, STRANGE, TASKS, VALUES
from era_wires import Absent, Heard, Leave

FEATURES = {}
TRIES, PAUSE = 15, 0.3


def feature(check):
    FEATURES[check.__name__.replace("_", "-")] = check
    return check


def declared(wire, *path):
    """What `initialize` or `server/discover` advertises; absent is absent."""
    found = wire.offered["capabilities"]
    for word in path:
        if word not in found:
            raise Absent(f"{path} is not advertised")
        found = found[word]
    return found


@feature
def tools(wire, bell):
    declared(wire, "tools")
    assert "echo" in [tool["name"] for tool in wire.call("tools/list").result["tools"]]
    sent = {"a": [None, 1.5, 12345678901234567890], "b": "\u2028é\U0001f600"}
    found = wire.tool("echo", sent).result
    assert (found["structuredContent"], found["content"][1]) == (sent, STRANGE)
    assert found["novel"] == {"deep": [None, 1.0]}


@feature
def structured_values(wire, bell):
    [listed] = [tool for tool in wire.call("tools/list").result["tools"] if tool["name"] == "values"]
    found, values = wire.tool("values").result, [1, 12345678901234567890]
    if "structuredContent" not in found and "outputSchema" not in listed:
        [block] = found["content"]
        assert json.loads(block["text"]) == values
        raise Absent("values are given as text")
    assert (listed["outputSchema"], found["structuredContent"]) == (VALUES, values)


@feature
def errors(wire, bell):
    assert wire.tool("fail").final["error"] == {"code": -32099, "message": "broken", "data": {"why": ["dust", None]}}


@feature
def prompts(wire, bell):
    declared(wire, "prompts")
    [prompt] = wire.call("prompts/list").result["prompts"]
    found = wire.call("prompts/get", {"name": prompt["name"], "arguments": {"name": "ann"}}).result
    assert (found["messages"][0]["content"]["text"], found["novel"]) == ("Hello, ann", [1.0])


@feature
def resources(wire, bell):
    declared(wire, "resources")
    assert "test://doc" in [found["uri"] for found in wire.call("resources/list").result["resources"]]
    [content] = wire.call("resources/read", {"uri": "test://doc"}).result["contents"]
    assert content == {"uri": "test://doc", "text": "read test://doc", "novel": None}


@feature
def templates(wire, bell):
    [found] = wire.call("resources/templates/list").result["resourceTemplates"]
    assert found["uriTemplate"] == "test://item/{id}"
    [content] = wire.call("resources/read", {"uri": "test://item/7"}).result["contents"]
    assert content["text"] == "read test://item/7"


@feature
def completions(wire, bell):
    declared(wire, "completions")
    for ref in ({"type": "ref/prompt", "name": "greet"}, {"type": "ref/resource", "uri": "test://item/{id}"}):
        params = {"ref": ref, "argument": {"name": "x", "value": "v"}}
        found = wire.call("completion/complete", params).result["completion"]
        assert found == {"values": [f"{ref.get('name') or ref['uri']} v"], "novel": 1}


@feature
def progress(wire, bell):
    heard = wire.tool("slow", meta={"progressToken": "mine"})
    assert heard.result["content"][0]["text"] == "done"
    said = [note["params"] for note in heard.notes if note["method"] == "notifications/progress"]
    assert said == [{"progressToken": "mine", "progress": n, "novel": n} for n in (1, 2)]


@feature
def cancellation(wire, bell):
    mark = f"hung-{uuid4().hex}"

    def leave(_note):
        raise Leave

    assert wire.tool("hang", {"mark": mark}, meta={"progressToken": 1}, on_note=leave).final is None
    assert wire.tool("hung", {"mark": mark}).result["content"][0]["text"] == "True"


@feature
def batches(wire, bell):
    found = wire.batch([wire.message("ping"), wire.message("tools/call", {"name": "fail"})])
    if isinstance(found, dict):
        raise Absent(found["error"])
    assert [message.get("result", message.get("error", {}).get("code")) for message in found] == [{}, -32099]


@feature
def logging(wire, bell):
    declared(wire, "logging")
    if not wire.modern:
        assert wire.call("logging/setLevel", {"level": "warning"}).result == {}
    level = {"io.modelcontextprotocol/logLevel": "warning"} if wire.modern else None
    heard = wire.tool("logs", meta=level)
    assert heard.result["content"][0]["text"] == "logged"
    if not heard.notes:
        raise Absent("the message belongs to nobody, and is dropped")
    assert [note["params"] for note in heard.notes] == [{"level": "error", "data": {"novel": None}}]


def _asked(wire, kind, method, heard_as):
    heard = wire.tool("ask", {"kind": kind})
    found = heard.result["structuredContent"]
    if "undeclared" in found:
        raise Absent(f"the server is not told of {found}")
    assert (heard.asked, found) == ([method], heard_as)
    return heard.questions[0]


@feature
def elicitation_form(wire, bell):
    _asked(wire, "form", "elicitation/create", {"action": "accept", "content": {"name": "ann"}})


@feature
def elicitation_url(wire, bell):
    asked = _asked(wire, "url", "elicitation/create", {"action": "accept"})
    # 2025-11-25 wants an id, also of what a server of 2026-07-28 asks, which has none.
    assert ("elicitationId" in asked) is not wire.modern


def _told_of_the_end(wire, bell, mark):
    """The user is done with a link long after the response: its client hears it, once, where it is told of anything."""
    method = "notifications/elicitation/complete"
    with wire.listening({}) as said:
        assert _rung(bell, f"done {mark}", said, method) == {"elicitationId": mark}
        _rung(bell, "resources", said, "notifications/resources/list_changed", never=method)


@feature
def elicitation_complete(wire, bell):
    mark = f"link-{uuid4().hex}"
    heard = wire.tool("link", {"mark": mark})
    if "undeclared" in heard.result["structuredContent"]:
        raise Absent("the server is not told of a client that opens links")
    if heard.questions[0].get("elicitationId") != mark:
        raise Absent("the link has no id of the server's")
    _told_of_the_end(wire, bell, mark)


@feature
def elicitation_required(wire, bell):
    mark = f"link-{uuid4().hex}"
    sent = wire.message("tools/call", {"name": "closed", "arguments": {"mark": mark}})
    heard = Heard()
    wire.exchange(sent, heard, None)
    if "error" not in heard.final:
        raise Absent("the client is not told by an error")
    error = heard.final["error"]
    assert (error["code"], error["data"]["elicitations"][0]["elicitationId"]) == (-32042, mark)
    _told_of_the_end(wire, bell, mark)


@feature
def sampling(wire, bell):
    said = {"role": "assistant", "content": {"type": "text", "text": "sampled"}, "model": "m"}
    _asked(wire, "sample", "sampling/createMessage", said)


@feature
def roots(wire, bell):
    _asked(wire, "roots", "roots/list", {"roots": [{"uri": "file:///a"}]})


@feature
def withdrawal(wire, bell):
    mark, notes = f"withdrawn-{uuid4().hex}", []

    def on_note(note):
        notes.append(note["method"])
        bell.with_name(f"{mark}-heard").touch()

    wire.in_place_of_an_answer = bell.with_name(mark).touch
    try:
        heard = wire.tool("withdrawn", {"mark": mark}, on_note=on_note)
    finally:
        wire.in_place_of_an_answer = None
    if "notifications/cancelled" not in notes:
        raise Absent("what is asked by a result is not withdrawn")
    assert heard.result["content"][0]["text"] == "went on"


@feature
def roots_changed(wire, bell):
    if not wire.modern:
        wire.tell({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
    found = wire.tool("told").result["structuredContent"]
    if not found["declared"]:
        raise Absent("the server is not told that roots may change")
    assert found["changed"]


@feature
def progress_of_answers(wire, bell):
    found = wire.tool("told", {"sample": True}).result["structuredContent"]
    if found["progress"] != [1]:
        raise Absent("the client is not asked how far its answer is")


@feature
def rounds(wire, bell):
    heard = wire.tool("rounds")
    found = heard.result["structuredContent"]["rounds"]
    if {"undeclared": "elicitation"} in found:
        raise Absent("the server is not told of a client that answers")
    assert heard.asked == ["elicitation/create"] * 2
    assert found[1] == {"action": "accept", "content": {"name": "ann"}}


def _rung(bell, line, said, method, never=None):
    """What is heard after the bell; it is rung again, as a server's change may come before anybody listens."""
    for _ in range(TRIES):
        with bell.open("a") as stream:
            stream.write(f"{line}\n")
        try:
            message = said.get(timeout=PAUSE)
        except queue.Empty:
            continue
        assert never is None or message.get("method") != never
        if message.get("method") == method:
            return message.get("params")
    raise AssertionError(f"{method} was never heard")


@feature
def list_changed(wire, bell):
    assert declared(wire, "resources", "listChanged") is True
    with wire.listening({"resourcesListChanged": True}) as said:
        _rung(bell, "resources", said, "notifications/resources/list_changed")


@feature
def resource_updated(wire, bell):
    assert declared(wire, "resources", "subscribe") is True
    if not wire.modern:
        assert wire.call("resources/subscribe", {"uri": "test://doc"}).result == {}
    with wire.listening({"resourceSubscriptions": ["test://doc"]}) as said:
        assert _rung(bell, "test://doc", said, "notifications/resources/updated")["uri"] == "test://doc"
    if not wire.modern:
        assert wire.call("resources/unsubscribe", {"uri": "test://doc"}).result == {}


@feature
def ping(wire, bell):
    assert wire.call("ping").result == {}


@feature
def tasks(wire, bell):
    if not wire.modern and "task" in wire.tool("task").result:
        raise AssertionError("a task for a client that knows none")
    declared(wire, "extensions", TASKS)
    made = wire.tool("task").result
    assert made["resultType"] == "task"
    done = wire.call("tasks/get", {"taskId": made["taskId"]}).result
    assert (done["taskId"], done["status"]) == (made["taskId"], "completed")
    assert done["result"]["content"] == [{"type": "text", "text": "worked"}]


@feature
def task_updates(wire, bell):
    declared(wire, "extensions", TASKS)
    made = wire.tool("task").result
    with wire.listening({"taskIds": [made["taskId"]]}) as said:
        told = _rung(bell, "task", said, "notifications/tasks")
    assert (told["taskId"], told["status"], told["novel"]) == (made["taskId"], "completed", [1.0, None])
    assert told["result"]["content"] == [{"type": "text", "text": "worked"}]
    assert told["_meta"] == {"io.modelcontextprotocol/subscriptionId": wire.numbers, "x/y": 1}


@feature
def apps(wire, bell):
    [echo] = [tool for tool in wire.call("tools/list").result["tools"] if tool["name"] == "echo"]
    uri = echo["_meta"]["ui"]["resourceUri"]
    [content] = wire.call("resources/read", {"uri": uri}).result["contents"]
    assert content == {"uri": "ui://page", **PAGE}


@feature
def extensions(wire, bell):
    declared(wire, "extensions" if wire.modern else "experimental", NOVEL)
