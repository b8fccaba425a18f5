"""Where connections to upstreams may go: addresses are looked at after DNS, and the one that was looked at is used."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from meshplan.runtime.upstream.failures import SessionLost

_EMBEDS_V4: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("::/96"))
"""NAT64 (RFC 6052, 8215) and IPv4-compatible addresses: the last 32 bits say where they lead."""


class AddressRefused(SessionLost):
    """The server's name leads where nobody declared that it may."""


class Egress:
    """The private networks that the newest plan declares; a literal address or ``localhost`` in a URL declares itself."""

    def __init__(self) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def adopt(self, networks: Iterable[str]) -> None:
        """These are declared from now on (``runtime.private_networks``)."""
        self._networks = tuple(ip_network(network, strict=False) for network in networks)

    def permits(self, address: str) -> bool:
        """Whether a name may lead to this address: public, or in a declared network."""
        found = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address):
            found = found.ipv4_mapped or found.sixtofour or _embedded(found) or found
        if any(found.version == network.version and found in network for network in self._networks):
            return True
        return found.is_global and not found.is_multicast

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be connected to; raises ``OSError`` and ``AddressRefused``."""
        try:
            ip_address(host)
        except ValueError:
            pass
        else:
            return [host]
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        name = host.lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            permitted = [address for address in addresses if ip_address(address.partition("%")[0]).is_loopback]
        else:
            permitted = [address for address in addresses if self.permits(address)]
        if not permitted:
            raise AddressRefused(
                f"`{host}` has the address {addresses[0]}, which is not public; declare its network in "
                "`runtime.private_networks`"
            )
        return permitted


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if not any(address in network for network in _EMBEDS_V4) or int(address) <= 1:
        return None
    return IPv4Address(int(address) & 0xFFFFFFFF)
