"""What counts as a secret: the rules are tables, so are the tests."""

from __future__ import annotations

import pytest

from meshplan.compiler.secrets import is_secret, name_is_secret, of_url, value_is_secret

NAMES = "GITHUB_TOKEN apiKey X-Api-Key Authorization DB_PASSWORD client_secret Cookie PGPASSWORD AWS_SECRET_ACCESS_KEY NPM_AUTH"
NOT_NAMES = "KEYBOARD AUTHOR LOG_LEVEL MONKEY TOKEN_URL PASSWORD_FILE API_HOST BASE_URL X-Team AUTH_TYPE"

VALUES = [
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "github_pat_11ABCDEFG0abcdefghijkl",
    "sk-proj-abcd1234efgh5678",
    "xoxb-1234567890-abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc123",
    "postgres://app:hunter2@db/app",
    "Bearer abcdef123",
    "-----BEGIN PRIVATE KEY-----",
    "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "k8sJ2mQx9ZtR4vWb7NcY1pLd",
    "--token=abcd1234",
    "d41d8cd98f00b204e9800998ecf8427e",
]
NOT_VALUES = [
    "@modelcontextprotocol/server-sequential-thinking@2025.12.18",
    "mcp-server-2024-11-05-beta-release",
    "/Users/alice/Library/Application Support/Claude/data",
    "mcp/duckduckgo@sha256:68eb20db6109f5c312a695fc5ec3386ad15d93ffb765a0b4eb1baf4328dec14f",
    "git+https://github.com/acme/mcp-server@0123456789abcdef0123456789abcdef01234567",
    "https://api.githubcopilot.com/mcp/",
    "--local-timezone=Europe/Berlin",
    "GITHUB_PERSONAL_ACCESS_TOKEN",
    "getCurrentWeatherForecastForCity",
    "true",
    "sk-learn",
]


@pytest.mark.parametrize("name", NAMES.split())
def test_a_name_that_holds_a_secret(name: str) -> None:
    assert name_is_secret(name, "hunter2")


@pytest.mark.parametrize("name", NOT_NAMES.split())
def test_a_name_that_holds_none(name: str) -> None:
    assert not name_is_secret(name, "hunter2")


@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_is_a_secret(value: str) -> None:
    assert value_is_secret(value)


@pytest.mark.parametrize("value", NOT_VALUES)
def test_a_value_that_is_none(value: str) -> None:
    assert not value_is_secret(value)


def test_a_number_under_a_limit_is_no_secret() -> None:
    assert not is_secret("MAX_TOKENS", "4096")
    assert is_secret("PIN", "4096")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://mcp.exa.ai/mcp?exaApiKey=abc", "its query"),
        ("https://mcp.example.com/mcp?customerId=3fa85f64-5717-4562-b3fc-2c963f66afa6", "its query"),
        ("https://mcp.zapier.com/s/NjY2ZjA5ZTAtYmQ0MS00YzQyLWI1/mcp", "its path"),
        ("https://mcp.example.com/mcp?project=web", ""),
        ("https://actions-abc123def456ghi789jkl.example.com/mcp", ""),
    ],
)
def test_where_a_url_carries_one(url: str, place: str) -> None:
    assert of_url(url) == place
