"""After a mistake only what changed is read again, and what was read before is the very same."""

from meshes import BASE

from meshplan.compiler.source import read_yaml
from meshplan.compiler.syntax import read_mesh, servers

TWO = BASE.replace(
    "servers:\n",
    "servers:\n  first: {http: https://first.example/a?b}\n  second: {http: https://second.example/a?b, timeot: 30s}\n",
)


def test_a_slip_in_one_server_reads_no_other_again(monkeypatch):
    seen = []
    judge = servers.urlsplit
    monkeypatch.setattr(servers, "urlsplit", lambda url: (seen.append(url), judge(url))[1])
    root, _ = read_yaml("mesh.yaml", TWO)
    reading = read_mesh(root)
    assert [d.code for d in reading.found] == ["MESH101"]
    assert reading.mesh.servers["second"].timeout == 30_000
    assert [url for url in seen if "first" in url] == ["https://first.example/a?b"]
    assert len([url for url in seen if "second" in url]) == 2


def test_the_same_data_under_two_kinds_is_read_for_each():
    root, _ = read_yaml("mesh.yaml", TWO.replace(", timeot: 30s", ""))
    assert read_mesh(root).mesh == read_mesh(root).mesh
