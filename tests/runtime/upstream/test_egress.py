"""Where names of servers may lead: public addresses and declared networks, on both HTTP clients."""

import socket

import anyio
import pytest

from meshplan.runtime.upstream.egress import AddressRefused, Egress
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import UpstreamUnavailable


@pytest.fixture
def dns(monkeypatch):
    """Names of the test's own; all others are unknown."""
    names, real = {}, socket.getaddrinfo

    def look_up(host, port, *args, **more):
        if host not in names:
            return real(host, port, *args, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::808:808", True),
        ("::10.0.0.1", False),
        ("2002:a9fe:a9fe::1", False),
    ],
)
def test_public_addresses_are_permitted_and_no_others(address, permitted):
    assert Egress().permits(address) is permitted


def test_declared_networks_are_permitted_however_they_are_spelled():
    egress = Egress()
    egress.adopt(["10.1.0.0/16", "fd00::/8", "192.168.7.7"])
    for address in ("10.1.255.1", "::ffff:10.1.0.1", "fd12::1", "192.168.7.7"):
        assert egress.permits(address)
    for address in ("10.2.0.1", "192.168.7.8", "fe80::1"):
        assert not egress.permits(address)
    egress.adopt([])
    assert not egress.permits("10.1.255.1")


async def test_what_is_written_out_declares_itself_and_a_name_keeps_only_what_it_may(dns):
    dns.update({"mixed.example": ["10.0.0.1", "8.8.8.8"], "x.localhost": ["10.0.0.1"], "inner.example": ["10.0.0.1"]})
    egress = Egress()
    assert await egress.addresses("10.0.0.1", 80) == ["10.0.0.1"]
    assert await egress.addresses("::1", 80) == ["::1"]
    assert "127.0.0.1" in await egress.addresses("localhost", 80)
    assert await egress.addresses("mixed.example", 80) == ["8.8.8.8"]
    for name in ("inner.example", "x.localhost"):
        with pytest.raises(AddressRefused, match=f"`{name}` has the address 10.0.0.1, which is not public"):
            await egress.addresses(name, 80)


@pytest.mark.parametrize("sessions", [False, True])
async def test_a_name_that_leads_to_this_machine_needs_a_declaration(web, kit, tmp_path, dns, sessions):
    dns["mcp.example"] = ["127.0.0.1"]
    fixture = kit.Fixture(sessions_only=sessions)
    listener = await web.start(fixture.app())
    server = kit.http_server(listener.port)
    url = f"http://mcp.example:{listener.port}/mcp"
    server = server.model_copy(update={"transport": server.transport.model_copy(update={"url": url})})
    with anyio.fail_after(30):
        async with open_upstreams({"s": server}, tmp_path) as upstreams:
            with pytest.raises(UpstreamUnavailable, match=r"not public; declare its network"):
                await upstreams.get("s").request(kit.call("echo"))
            assert not fixture.headers
            await upstreams.replace({"s": server}, ["127.0.0.0/8"])
            # The SDK's server takes no foreign Host, which shows that the name was kept.
            with pytest.raises(UpstreamUnavailable, match="HTTP 421"):
                await upstreams.get("s").request(kit.call("echo"))
            assert fixture.headers
