"""Our pure copy of what MCP fixes: it agrees with the SDK's on whatever comes."""

import mcp_types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared import inbound
from mcp_types import version as sdk_versions

from meshplan.runtime import mirrors, protocol
from meshplan.runtime.errors import RpcError
from meshplan.schemas.mirrors import mirrors as mirrors_of

NAMES = st.sampled_from(["a", "b", "c d", "é"])
TOKENS = st.one_of(st.sampled_from(["Region", "region", "Zone", "not a token", ""]), st.integers(), st.none())
LEAVES = st.fixed_dictionaries(
    {},
    optional={"type": st.sampled_from(["string", "integer", "boolean", "number", ["string"]]), "x-mcp-header": TOKENS},
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, max_size=2),
            "$defs": st.dictionaries(NAMES, inner, max_size=2),
            "default": inner,
            "x-mcp-header": TOKENS,
            "type": st.just("string"),
        },
    ),
    max_leaves=6,
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4), st.just("=?base64?eA==?=")
)
VALUES = st.recursive(SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=2))
ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=3)


def test_the_names_and_versions_are_the_sdk_s():
    for name in ("PROTOCOL_VERSION", "CLIENT_CAPABILITIES", "CLIENT_INFO", "LOG_LEVEL", "SERVER_INFO"):
        assert getattr(protocol, f"{name}_META_KEY") == getattr(mcp_types, f"{name}_META_KEY")
    for name in ("MCP_PROTOCOL_VERSION_HEADER", "MCP_METHOD_HEADER", "MCP_NAME_HEADER"):
        assert getattr(protocol, name) == getattr(inbound, name)
    assert protocol.MODERN_PROTOCOL_VERSIONS == sdk_versions.MODERN_PROTOCOL_VERSIONS
    assert set(protocol.HANDSHAKE_PROTOCOL_VERSIONS) == set(sdk_versions.HANDSHAKE_PROTOCOL_VERSIONS)
    assert dict(inbound.NAME_BEARING_METHODS) == protocol.NAME_BEARING_METHODS
    assert dict(inbound.ERROR_CODE_HTTP_STATUS) == protocol.ERROR_CODE_HTTP_STATUS


@given(st.one_of(st.text(max_size=8), st.sampled_from([" x", "x ", "=?base64?eA==?=", "=?base64?", "ü", "a\nb"])))
def test_header_values_are_coded_as_the_sdk_does(text):
    assert protocol.encode_header_value(text) == inbound.encode_header_value(text)
    assert protocol.decode_header_value(protocol.encode_header_value(text)) == text


@pytest.mark.parametrize("value", [None, "x", "=?base64?eA==?=", "=?base64?eB==?=", "=?base64?!?=", "=?base64?/w==?="])
def test_a_broken_sentinel_is_nothing(value):
    assert protocol.decode_header_value(value) == inbound.decode_header_value(value)


@given(SCHEMAS)
def test_annotations_are_found_where_the_sdk_finds_them(schema):
    found = mirrors_of(schema)
    if inbound.find_invalid_x_mcp_header(schema) is not None:
        assert found is None
    else:
        assert {m.path: m.header for m in found} == {
            path: f"Mcp-Param-{token}" for path, token in inbound.x_mcp_header_map(schema).items()
        }


def annotated(token):
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "integer", "boolean"]), "x-mcp-header": st.just(token)}
    )


ANNOTATED = st.fixed_dictionaries({}, optional={"a": annotated("Region"), "c d": annotated("Zone")})


@given(ANNOTATED.map(lambda found: {"properties": found}), ARGUMENTS, st.data())
def test_mirrored_arguments_agree_as_the_sdk_sees_it(schema, arguments, data):
    wanted = mirrors_of(schema) or ()
    headers = mirrors.headers_for(wanted, arguments)
    assert headers == inbound.mcp_param_headers(inbound.x_mcp_header_map(schema), arguments)
    for mirror in wanted:
        sent = data.draw(
            st.one_of(st.none(), st.just("kept"), st.sampled_from(["1", "1.0", "true", "x", "=?base64?!?="]))
        )
        if sent is None:
            headers.pop(mirror.header, None)
        elif sent != "kept":
            headers[mirror.header] = sent
    lower = {name.lower(): value for name, value in headers.items()}
    if inbound.validate_mcp_param_headers(schema, arguments, headers) is None:
        mirrors.check(wanted, arguments, lower)
    else:
        with pytest.raises(RpcError) as refused:
            mirrors.check(wanted, arguments, lower)
        assert refused.value.code == -32020


META = st.one_of(
    st.none(),
    st.integers(),
    st.fixed_dictionaries(
        {},
        optional={
            protocol.PROTOCOL_VERSION_META_KEY: st.sampled_from(["2026-07-28", "2025-11-25", 3, None]),
            protocol.CLIENT_CAPABILITIES_META_KEY: st.sampled_from([{}, None, {"roots": {}}]),
            protocol.CLIENT_INFO_META_KEY: st.just({"name": "x"}),
        },
    ),
)
HEADERS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "mcp-protocol-version": st.sampled_from(["2026-07-28", "2025-11-25"]),
        "mcp-method": st.sampled_from(["tools/call", "ping"]),
        "mcp-name": st.sampled_from(["x", "=?base64?eA==?=", "y"]),
    },
)


@given(st.sampled_from(["tools/call", "ping"]), st.sampled_from([None, "x", 7]), META, HEADERS)
def test_the_envelope_is_read_as_the_sdk_reads_it(method, name, meta, headers):
    params = {"name": name, "_meta": meta}
    expected = inbound.classify_inbound_request({"method": method, "params": params}, headers=headers)
    if isinstance(expected, inbound.InboundLadderRejection):
        with pytest.raises(RpcError) as refused:
            protocol.read_envelope(method, params, headers)
        assert (refused.value.code, refused.value.data) == (expected.code, expected.data)
    else:
        found = protocol.read_envelope(method, params, headers)
        assert found.client_info == expected.client_info
        assert found.client_capabilities == expected.client_capabilities
