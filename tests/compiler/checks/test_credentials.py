"""Secrets that are written out: real-shaped ones are found where they stand, and innocent text is left alone."""

from __future__ import annotations

import pytest
from meshes import compile_text, with_sections

from meshplan.compiler.checks.credentials import in_arguments, in_named, in_text, in_url
from meshplan.compiler.cli import run

# put together here, so that no scanner of this repository takes one for real
LETTERS = "q7Rt2Wm9Xk4Zb8Nc3Vh6Jd5Fs1Gp0LyTeUaIoKwB"
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
TOKENS = [
    "ghp_" + LETTERS[:36],
    "gho_" + LETTERS[:36],
    "ghs_" + LETTERS[:36],
    "github_pat_" + "11ABCDEFG0" + LETTERS + "_" + LETTERS[:20],
    "glpat-" + LETTERS[:20],
    "sk-" + LETTERS + "Ab3",
    "sk-proj-" + LETTERS + LETTERS,
    "sk-ant-api03-" + LETTERS + "-" + LETTERS,
    "sk-or-v1-" + LETTERS + LETTERS,
    "gsk_" + LETTERS + LETTERS[:12],
    "tvly-" + LETTERS[:32],
    "hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi",
    "lin_api_" + LETTERS,
    "ntn_" + LETTERS + LETTERS[:6],
    "dop_v1_" + HEX,
    "shpat_" + HEX[:32],
    "SG." + LETTERS[:22] + "." + LETTERS + "abc",
    "sk_live_" + LETTERS[:24],
    "rk_test_" + LETTERS[:24],
    "whsec_" + LETTERS[:32],
    "xoxb-" + "1234567890-1234567890-" + LETTERS[:24],
    "xoxp-" + "1234567890-1234567890-" + LETTERS[:24],
    "xapp-1-" + "A0123456789-1234567890-" + HEX,
    "https://hooks.slack.com/services/" + "T01234567/B01234567/" + LETTERS[:24],
    "AKIA" + "QX7VBN2MPLK4RTZW",
    "ASIA" + "QX7VBN2MPLK4RTZW",
    "AIza" + LETTERS[:35],
    "ya29." + LETTERS,
    "npm_" + LETTERS[:36],
    "pypi-" + "AgEIcHlwaS5vcmc" + LETTERS,
    "dckr_pat_" + LETTERS[:27],
    "hvs." + LETTERS[:24],
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + LETTERS,
    "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow" + LETTERS,
    "-----BEGIN " + "PRIVATE KEY-----\nMIIEow" + LETTERS,
    "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3Blbn" + LETTERS,
    "postgres://app:" + "q7Rt2Wm9@db.example.com/app",
    "https://bot:" + "q7Rt2Wm9@git.example.com/x.git",
]
INNOCENT = [
    "info",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "sha256:" + HEX,
    HEX,
    HEX[:40],
    "d41d8cd98f00b204e9800998ecf8427e",
    "git+https://github.com/acme/tools@" + HEX[:40],
    "ghcr.io/github/github-mcp-server@sha256:" + HEX,
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "mcp-server-fetch==2026.8.31",
    "sha512-" + "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    "/usr/local/share/very-long-directory-name/another_long_directory/file2.json",
    "https://mcp.example.com/v1/projects/1234567890/streams?region=eu-central-1&limit=100",
    "postgres://localhost/app",
    "postgres://app:${PGPASSWORD}@db/app",
    "postgres://app:<password>@db.example/app",
    "https://registry.example/@scope%2fname/-/name-1.2.3.tgz",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-your-key-goes-here-0A",
    "sk-learn-contrib-packages-and-friends",
    "AKIAIOSFODNN7EXAMPLE",
    "--no-experimental-require-module-and-other-long-flags",
    "NODE_OPTIONS=--max-old-space-size=4096",
    "com.example.Company.Product.Feature.Component2",
    "arn:aws:iam::123456789012:role/service-role/MyVeryLongRoleName-us-east-1",
    "projects/acme-prod-2026/locations/europe-west3/keyRings/main/cryptoKeys/mesh",
    "2026-11-22T14:59:16.000000+00:00",
    "ThisIsAVeryLongCamelCaseIdentifierNameWithoutDigits",
    "the quick brown fox jumps over the lazy dog 12345 times",
    "-----BEGIN CERTIFICATE-----",
    "task-force-alpha-bravo-charlie-delta-2",
]


@pytest.mark.parametrize("token", TOKENS)
def test_a_credential_is_known_by_its_shape(token):
    for text in (token, f"prefix {token}", f"A={token}"):
        found = in_text(text)
        assert found is not None
        assert found.certain
        assert text[found.start : found.end] in token
        assert found.end - found.start >= min(len(token) - 8, 8)


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_text_is_left_alone(text):
    assert in_text(text) is None
    assert in_named("NAME", text) is None
    assert in_url(text) is None
    assert list(in_arguments(["npx", text])) == []


@pytest.mark.parametrize("name", ["API_KEY", "X-Api-Key", "Authorization", "DB_PASSWORD", "token", "clientSecret"])
def test_a_value_that_is_called_a_secret(name):
    found = in_named(name, "s3cr3t-v4lue")
    assert found is not None
    assert not found.certain
    for innocent in (
        "",
        "true",
        "none",
        "./secrets/key.pem",
        "/run/secrets/x",
        "~/.token",
        "${TOKEN}",
        "<token>",
        "file",
        "300",
    ):
        assert in_named(name, innocent) is None


@pytest.mark.parametrize("name", ["TOKEN_URL", "KEY_FILE", "SECRET_NAME", "LOG_LEVEL", "AUTH_TYPE", "KEYBOARD"])
def test_a_name_that_is_about_a_secret(name):
    assert in_named(name, "some-value4") is None


def test_command_lines():
    assert [(i, s.what) for i, s in in_arguments(["x", "--api-key", "s3cr3t-v4lue", "--token=abc-123-def"])] == [
        (2, "the value of `api-key`"),
        (3, "the value of `token`"),
    ]
    assert list(in_arguments(["x", "--api-key", "--verbose", "--token-file", "/x", "--tokens", "1000"])) == []


def test_a_local_database_is_only_warned_about():
    found = in_text("postgres://postgres:postgres@localhost/app")
    assert found is not None
    assert not found.certain


def test_what_is_random_is_only_warned_about():
    found = in_text("x=" + LETTERS)
    assert found is not None
    assert not found.certain


MESH = """\
servers:
  notes:
    stdio: [python, notes.py, "--key=FIRST"]
    env: {{LOG: info, NOTES_TOKEN: abcd-1234}}{comment}
  tickets:
    http: https://t.example/mcp?api_key=efgh-5678
    headers: {{X-Team: platform, Authorization: Bearer SECOND}}
virtual:
  desk:
    include: [{{server: notes, tools: {{effect: read}}}}, {{server: tickets, tools: [search]}}]
"""


def told(comment=""):
    text = with_sections(MESH.format(comment=comment)).replace("FIRST", TOKENS[0]).replace("SECOND", TOKENS[5])
    found = compile_text(text).diagnostics
    return {text[d.span.start : d.span.end]: d for d in found if d.code in ("MESH602", "MESH603")}


def test_each_is_told_at_its_place_and_named_nowhere():
    found = told()
    assert {value: d.code for value, d in found.items()} == {
        TOKENS[0]: "MESH602",
        "abcd-1234": "MESH603",
        "efgh-5678": "MESH603",
        TOKENS[5]: "MESH602",
    }
    assert found[TOKENS[5]].help == "write `auth: {bearer: {env: NAME}}`, with a variable of the runtime"
    assert found["abcd-1234"].help == "write `NOTES_TOKEN: {env: NOTES_TOKEN}`, with a variable of the runtime"
    assert not any(value in f"{d.message} {d.help}" for value in found for d in found.values())


def test_only_what_is_not_certain_can_be_suppressed():
    assert set(told('  # mesh: ignore[MESH603] reason="of the demo" until=2099-01-31')) == {
        TOKENS[0],
        "efgh-5678",
        TOKENS[5],
    }
    assert TOKENS[0] in told('  # mesh: ignore[MESH602] reason="of the demo" until=2099-01-31')


def test_no_output_shows_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mesh.yaml").write_text(
        with_sections(MESH.format(comment="").replace("FIRST", TOKENS[0]).replace("SECOND", TOKENS[5]))
    )
    for form in ("text", "json", "sarif", "github", "markdown"):
        assert run(["validate", "--format", form]) == 1
        said = "".join(capsys.readouterr())
        assert "MESH602" in said
        assert not any(value in said for value in (TOKENS[0], TOKENS[5], "abcd-1234", "efgh-5678"))


ELSEWHERE = """\
parameters:
  api_key: {default: s3cr3t-v4lue}
  region: {default: eu} # was FIRST
virtual:
  desk:
    description: the key is SECOND
    include: [{server: notes, tools: [get_note, search]}]
    tools:
      search: {set: {query: "postgres://app:q7Rt2Wm9@db.example.com/app"}}
roles:
  reader:
    allow: [{id: own, server: notes, tools: [search], when: "args.query == 'THIRD'"}]
environments:
  prod:
    patch: [{set: "roles.reader.allow[own].when", to: "args.query != 'FOURTH'"}]
"""


def test_what_is_set_conditions_parameters_patches_and_comments_are_looked_at_too():
    text = with_sections(ELSEWHERE)
    places = {"FIRST": TOKENS[0], "SECOND": TOKENS[5], "THIRD": TOKENS[4], "FOURTH": TOKENS[9]}
    for mark, token in places.items():
        text = text.replace(mark, token)
    found = [d for d in compile_text(text).diagnostics if d.code in ("MESH602", "MESH603")]
    told = {text[d.span.start : d.span.end]: d.code for d in found}
    certain = dict.fromkeys([*places.values(), "q7Rt2Wm9"], "MESH602")
    assert told == {**certain, "s3cr3t-v4lue": "MESH603"}
    assert len(found) == len(told)
    for d in found:
        line = text.split("\n")[d.span.line - 1]
        assert line[d.span.column - 1 : d.span.end_column - 1] in told
        assert not any(value in f"{d.message} {d.help}" for value in told)


def test_a_file_that_is_included_is_looked_at(tmp_path):
    main = with_sections("include: [more/*.yaml]\n")
    more = f"contracts:\n  c/v1:\n    operations: {{OPEN: {{description: {TOKENS[0]}}}}}\n"
    found = compile_text(main, files={"more/a.yaml": more}).diagnostics
    assert [(d.code, d.span.file, d.span.line) for d in found if d.code == "MESH602"] == [("MESH602", "more/a.yaml", 3)]
