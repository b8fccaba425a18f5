"""From documents, sound and not, to tools: names, arguments, where they travel, and what is left out with a reason."""

import json

import pytest

from meshplan.compiler.openapi.document import DocumentError, parse
from meshplan.compiler.openapi.operations import tools_of
from meshplan.schemas.capability import OPERATION_META


def document(paths, version="3.1.0", **more):
    return parse(json.dumps({"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths, **more}))


def only(paths, **more):
    converted = tools_of(document(paths, **more))
    assert converted.left_out == []
    (tool,) = converted.tools
    return tool


def test_an_operation_without_an_id_is_named_after_its_path():
    assert only({"/a/{b}/c": {"get": {"parameters": [{"name": "b", "in": "path"}]}}})["name"] == "get_a_b_c"


@pytest.mark.parametrize(
    ("method", "effect"),
    [("get", (True, None)), ("post", (False, False)), ("put", (False, False)), ("delete", (False, True))],
)
def test_the_method_is_the_effect(method, effect):
    annotations = only({"/a": {method: {}}})["annotations"]
    assert (annotations["readOnlyHint"], annotations.get("destructiveHint")) == effect


def test_one_name_in_two_places_is_two_arguments():
    parameters = [{"name": "id", "in": "path"}, {"name": "id", "in": "query"}]
    tool = only({"/a/{id}": {"get": {"parameters": parameters}}})
    assert set(tool["inputSchema"]["properties"]) == {"id", "id_in_query"}
    assert tool["_meta"][OPERATION_META]["arguments"]["id_in_query"]["place"] == "query"


def test_parameters_of_the_path_are_replaced_by_those_of_the_operation():
    shared = [{"name": "v", "in": "query", "required": True}]
    tool = only({"/a": {"parameters": shared, "get": {"parameters": [{"name": "v", "in": "query"}]}}})
    assert "required" not in tool["inputSchema"]


def test_schemas_that_refer_to_themselves_become_definitions():
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}, "required": ["next"]}
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
    schema = only({"/a": {"post": {"requestBody": body}}}, components={"schemas": {"Node": node}})["inputSchema"]
    assert schema["properties"] == {"next": {"$ref": "#/$defs/Node"}}
    assert schema["$defs"]["Node"]["properties"]["next"] == {"$ref": "#/$defs/Node"}
    assert schema["required"] == ["next"]


def test_openapi_3_0_is_spelled_as_json_schema():
    shape = {"type": "integer", "nullable": True, "minimum": 1, "exclusiveMinimum": True, "example": 2}
    parameter = {"name": "n", "in": "query", "schema": shape}
    tool = only({"/a": {"get": {"parameters": [parameter]}}}, version="3.0.3")
    assert tool["inputSchema"]["properties"]["n"] == {"type": ["integer", "null"], "exclusiveMinimum": 1}


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"requestBody": {"content": {"multipart/form-data": {}}}}, "multipart/form-data"),
        ({"parameters": [{"name": "a", "in": "query", "content": {}}]}, "not supported"),
        ({"parameters": [{"in": "query"}]}, "no `name`"),
        ({"parameters": {"a": 1}}, "not a list"),
        ({"parameters": [{"$ref": "https://x.example/p.json"}]}, "only references inside"),
        ({"parameters": [{"$ref": "#/nowhere"}]}, "not in the document"),
        ({"parameters": [{"$ref": "#/paths/~1a/get/parameters/0"}]}, "in a circle"),
    ],
)
def test_what_cannot_be_a_tool_is_left_out_with_its_reason(operation, reason):
    converted = tools_of(document({"/a": {"get": operation}, "/b": {"get": {}}}))
    assert [tool["name"] for tool in converted.tools] == ["get_b"]
    (left_out,) = converted.left_out
    assert left_out.startswith("`GET /a`: ")
    assert reason in left_out


def test_a_path_argument_that_no_parameter_declares_is_left_out():
    assert "`b`" in tools_of(document({"/a/{b}": {"get": {}}})).left_out[0]


def test_two_operations_of_one_name_are_refused():
    with pytest.raises(DocumentError, match="two operations"):
        tools_of(document({"/a": {"get": {"operationId": "x"}}, "/b": {"get": {"operationId": "x"}}}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an object"),
        ("[1]", "not an object"),
        ("{", "neither JSON nor YAML"),
        ("a: [", "neither JSON nor YAML"),
        ("swagger: '2.0'", "Swagger 2"),
        ("openapi: 4.0.0\npaths: {}", "none of 3.0"),
        ("openapi: 3.1.0", "no `paths`"),
        ("openapi: 3.1.0\npaths: {}\nx: !!python/object:os.system {}", "neither JSON nor YAML"),
    ],
)
def test_what_is_no_document_is_refused_with_a_reason(text, reason):
    with pytest.raises(DocumentError, match=reason):
        parse(text)


def test_yaml_dates_are_text():
    assert parse("openapi: 3.1.0\npaths: {}\ninfo: {version: 2026-01-01}").root["info"]["version"] == "2026-01-01"
