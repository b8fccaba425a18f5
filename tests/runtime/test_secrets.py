"""Values of references, and messages that never hold them."""

import sys

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.runtime.secrets import MAX_BYTES, SecretError, Secrets
from meshplan.schemas.plan import FromEnv, FromExec, FromFile, Literally

SECRET = "s3cr3t"


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def secrets(tmp_path, clock):
    return Secrets(tmp_path, environ={"TOKEN": SECRET, "EMPTY": "", "SPLIT": f"{SECRET}\nmore"}, clock=clock)


def script(tmp_path, text):
    (tmp_path / "give.py").write_text(text)
    return FromExec(argv=(sys.executable, "give.py"))


async def refused(secrets, value):
    with pytest.raises(SecretError) as caught:
        await secrets.resolve(value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


async def test_each_kind_gives_its_value(secrets, tmp_path):
    (tmp_path / "key").write_text(f"{SECRET}\r\n")
    assert await secrets.resolve(Literally(value="plain")) == "plain"
    assert await secrets.resolve(Literally(value="")) == ""
    assert await secrets.resolve(FromEnv(name="TOKEN")) == SECRET
    assert await secrets.resolve(FromFile(path="key")) == SECRET
    assert await secrets.resolve(script(tmp_path, f"print('{SECRET}')")) == SECRET


async def test_a_command_runs_in_the_mesh_folder_without_a_shell(secrets, tmp_path):
    value = FromExec(argv=(sys.executable, "-c", "import os, sys; print(os.getcwd() + sys.argv[1])", "; $HOME"))
    assert await secrets.resolve(value) == f"{tmp_path.resolve()}; $HOME"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Literally(value=f"{SECRET}\r\nX-Evil: 1"), "a literal value holds a line break"),
        (Literally(value=f"{SECRET}\0"), "a literal value holds a NUL character"),
        (FromEnv(name="NONE"), "environment variable `NONE` is not set"),
        (FromEnv(name="EMPTY"), "environment variable `EMPTY` is empty"),
        (FromEnv(name="SPLIT"), "environment variable `SPLIT` holds a line break"),
        (FromFile(path="none"), "secret file `none` cannot be read: No such file or directory"),
        (FromFile(path="."), "secret file `.` cannot be read: Is a directory"),
        (FromFile(path="binary"), "secret file `binary` is not UTF-8 text"),
        (FromFile(path="large"), "secret file `large` gives more than 64 KiB"),
        (FromExec(argv=("no-such-command",)), "secret command `no-such-command` cannot be run: No such file or directory"),
        (FromExec(argv=("sh", "-c", f"echo {SECRET}; echo {SECRET} >&2; exit 3")), "secret command `sh` failed with status 3"),
        (FromExec(argv=("yes", SECRET)), "secret command `yes` gives more than 64 KiB"),
        (FromExec(argv=("true",)), "secret command `true` is empty"),
    ],
)  # fmt: skip
async def test_a_refusal_names_the_reference_and_not_the_value(secrets, tmp_path, value, message):
    (tmp_path / "binary").write_bytes(b"\xff" + SECRET.encode())
    (tmp_path / "large").write_text("x" * (MAX_BYTES + 1))
    assert await refused(secrets, value) == message


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path):
    secrets = Secrets(tmp_path, timeout=0.3)
    with anyio.fail_after(5):
        message = await refused(secrets, FromExec(argv=("sh", "-c", "sleep 60 & sleep 60")))
    assert message == "secret command `sh` did not finish within 0.3 s"


async def test_a_file_is_read_again_after_its_time(secrets, clock, tmp_path):
    value = FromFile(path="key")
    (tmp_path / "key").write_text("old")
    assert await secrets.resolve(value) == "old"
    (tmp_path / "key").write_text("new")
    clock.now += 59
    assert await secrets.resolve(value) == "old"
    clock.now += 2
    assert await secrets.resolve(value) == "new"


async def test_fifty_rejections_run_one_command(secrets, clock, tmp_path):
    value = script(tmp_path, "with open('runs', 'a') as f: f.write('x')\nprint(len(open('runs').read()))")
    assert await secrets.resolve(value) == "1"
    clock.now += 2
    found = []

    async def refresh():
        found.append(await secrets.refresh(value, "1"))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(refresh)
    assert found == ["2"] * 50
    assert await secrets.refresh(value, "2") == "2"
    assert await secrets.refresh(FromEnv(name="TOKEN"), SECRET) == SECRET


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=50))
def test_a_value_is_usable_exactly_where_it_is_one_line(text):
    async def resolve():
        return await Secrets.__new__(Secrets).resolve(Literally(value=text))

    if {"\r", "\n", "\0"} & set(text):
        with pytest.raises(SecretError):
            anyio.run(resolve)
    else:
        assert anyio.run(resolve) == text
