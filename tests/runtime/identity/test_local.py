"""The file of the local secret."""

import pytest

from meshplan.runtime.identity.local import LOCAL_FILE, LocalSecretError, ensure_local_secret


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
