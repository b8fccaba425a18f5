"""Questions to the client, in whichever way its revision has: requests on the session, or an `input_required` result."""

import hashlib
import hmac
import secrets

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

_KEY = secrets.token_bytes(32)
_RESULTS = {
    "elicitation/create": types.ElicitResult,
    "sampling/createMessage": types.CreateMessageResult,
    "roots/list": types.ListRootsResult,
}


def modern(ctx):
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def form(message, properties, required=()):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text, tokens=100):
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=text))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=tokens))


def roots():
    return types.ListRootsRequest()


def seal(text):
    """A state that nobody can alter: the text and its HMAC."""
    return f"{text}.{hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()}"


def unseal(state):
    """The text of a sealed state; an altered one is invalid params."""
    text, _, _ = (state or "").rpartition(".")
    if not hmac.compare_digest(seal(text), state or ""):
        raise MCPError(types.INVALID_PARAMS, "the request state is not one of ours")
    return text


async def ask(ctx, params, questions, state=None):
    """The answers by key, or the `InputRequiredResult` that has to be returned first."""
    if not modern(ctx):
        return await _ask_at_once(ctx, questions)
    given = params.input_responses or {}
    missing = {key: question for key, question in questions.items() if not _fits(question, given.get(key))}
    if missing:
        return types.InputRequiredResult(input_requests=missing, request_state=state)
    return {key: given[key] for key in questions}


async def _ask_at_once(ctx, questions):
    related, answers = ServerMessageMetadata(related_request_id=ctx.request_id), {}

    async def one(key, question):
        answers[key] = await ctx.session.send_request(question, _RESULTS[question.method], metadata=related)

    try:
        async with anyio.create_task_group() as group:
            for key, question in questions.items():
                group.start_soon(one, key, question)
    except* MCPError as refused:
        raise refused.exceptions[0] from None
    return answers


def _fits(question, answer):
    if not isinstance(answer, _RESULTS[question.method]):
        return False
    if question.method != "elicitation/create" or answer.action != "accept":
        return True
    wanted = question.params.requested_schema.get("required", [])
    return all(name in (answer.content or {}) for name in wanted)
