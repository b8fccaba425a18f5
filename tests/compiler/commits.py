"""A mesh with its locks, written and committed, and `mesh` run in its folder."""

from meshes import lock_texts

from meshplan.compiler.cli import run


def write(folder, text):
    (folder / "mesh.yaml").write_text(text)
    for name, lock in lock_texts(text).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(lock)


def committed(repository, text):
    folder, git = repository
    write(folder, text)
    git("add", "-A")
    git("commit", "-qm", "state")
    return folder


def mesh(folder, capsys, *words):
    code = run(["-C", str(folder), *words])
    return code, *capsys.readouterr()
