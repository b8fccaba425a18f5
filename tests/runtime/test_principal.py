"""Keys with their expiry, and the file of the local secret."""

import hashlib
from datetime import date

import pytest

from meshplan.runtime.principal import (
    LOCAL_FILE,
    Approach,
    Keyring,
    LocalSecretError,
    UnauthenticatedError,
    authenticate,
    ensure_local_secret,
    is_loopback,
)
from meshplan.schemas.plan import Identity, Key

TODAY = date(2026, 5, 1)


def keyring(expires=None, local=None):
    key = Key(sha256=hashlib.sha256(b"top").hexdigest(), subjects=("team:a",), expires=expires)
    return Keyring(Identity(keys={"ci": key}, local=local))


def come(ring, token, *, peer="127.0.0.1", host="localhost:1", secret=None, **more):
    headers = {"authorization": f"Bearer {token}", "host": host, **more}
    return authenticate(ring, Approach(headers, peer), secret, TODAY)


def test_a_key_proves_its_subjects():
    caller = come(keyring(), "top")
    assert caller.owner == ("key", "ci")
    assert caller.principal.subjects == {"team:a"}


@pytest.mark.parametrize(("expires", "valid"), [("2026-05-02", True), ("2026-05-01", False), ("2026-04-01", False)])
def test_a_key_ends_when_its_day_begins(expires, valid):
    ring = keyring(expires)
    if valid:
        assert come(ring, "top").owner == ("key", "ci")
    else:
        with pytest.raises(UnauthenticatedError):
            come(ring, "top")


@pytest.mark.parametrize("token", ["", "Top", "top ", "x" * 5000, hashlib.sha256(b"top").hexdigest(), "local"])
def test_anything_else_proves_nothing(token):
    with pytest.raises(UnauthenticatedError):
        come(keyring(local=("user:me",)), token if token != "top " else "top x")


def test_the_local_secret_is_for_this_machine_without_anything_between():
    ring, secret = keyring(local=("user:me",)), "s" * 40
    assert come(ring, secret, secret=secret).owner == ("local", "local")
    for wrong in ({"peer": "10.0.0.1"}, {"host": "mesh.example"}, {"peer": None}, {"via": "1.1 x"}):
        with pytest.raises(UnauthenticatedError):
            come(ring, secret, secret=secret, **wrong)
    with pytest.raises(UnauthenticatedError):
        come(keyring(local=None), secret, secret=secret)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost.evil", False),
        ("", False),
        ("0.0.0.0", False),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) is loopback


def test_the_secret_is_made_once_and_only_for_its_owner(tmp_path):
    secret = ensure_local_secret(tmp_path)
    path = tmp_path / LOCAL_FILE
    assert len(secret) > 40
    assert path.stat().st_mode & 0o777 == 0o600
    assert ensure_local_secret(tmp_path) == secret
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_can_read_is_refused(tmp_path, mode):
    ensure_local_secret(tmp_path)
    (tmp_path / LOCAL_FILE).chmod(mode)
    with pytest.raises(LocalSecretError):
        ensure_local_secret(tmp_path)


def test_a_secret_that_is_a_link_or_empty_is_refused(tmp_path):
    path = tmp_path / LOCAL_FILE
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("x" * 50)
    with pytest.raises(OSError, match="symbolic"):
        ensure_local_secret(tmp_path)
    path.unlink()
    path.touch(0o600)
    with pytest.raises(LocalSecretError):
        ensure_local_secret(tmp_path)
