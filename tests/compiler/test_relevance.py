"""Tools that agree on what a condition depends on are judged alike."""

from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.compiler.expressions import BOOL, arguments, check, parse
from meshplan.compiler.resolve.relevance import arguments_read, relevant

TEXTS = [
    "args.a > 1",
    "has(args.b) && args.b == 'x'",
    "args['a'] == args.b",
    "args.a in [1, 2] || !has(args.c)",
    "args.c.exists(x, x == args.a)",
    "args.c.d == 'x' && args.b.startsWith('y')",
    "size(args) > 0",
    "args == {'a': 1}",
    "args.c.all(args, args > 1)",
    "args.missing == 1",
]
PART = st.sampled_from(
    [
        {"type": "integer"},
        {"type": "string"},
        {"type": ["string", "null"]},
        {"enum": ["x", "y"]},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "object", "properties": {"d": {"type": "string"}}},
        {"$ref": "#/$defs/t"},
        True,
    ]
)
TOLD = st.fixed_dictionaries({}, optional={"description": st.sampled_from(["one", "two"]), "title": st.just("t")})


@st.composite
def schemas(draw):
    properties = draw(st.dictionaries(st.sampled_from("abcd"), PART, max_size=4))
    described = {name: {**part, **draw(TOLD)} if isinstance(part, dict) else part for name, part in properties.items()}
    schema = {"properties": described, "required": draw(st.lists(st.sampled_from("abcd"), max_size=2, unique=True))}
    more = {"type": "object", "$defs": {"t": {"type": draw(st.sampled_from(["string", "integer"]))}}}
    return schema | draw(st.sampled_from([{}, more, {"type": "object", "additionalProperties": False}, {"allOf": []}]))


@settings(max_examples=400)
@given(st.sampled_from(TEXTS), schemas(), schemas())
def test_the_same_relevant_part_gives_the_same_problems(text, one, other):
    tree, _ = parse(text)
    part = relevant(tree, one)
    if part is not None and part == relevant(tree, other):
        said = [check(tree, {"args": arguments(schema)}, BOOL) for schema in (one, other)]
        assert said[0] == said[1]


def test_what_is_read_is_named():
    assert arguments_read(parse("has(args.b) && args['a'] == 1 && principal.user == 'x'")[0]) == {"a", "b"}
    assert arguments_read(parse("size(args) > 0")[0]) is None
    assert arguments_read(parse("args.c.all(args, args > 1)")[0]) is None
    assert relevant(parse("args.a > 1")[0], {"properties": {"b": True}}) is None
    assert relevant(parse("args.a > 1")[0], {"properties": {"a": {"type": "integer"}}}) is not None
