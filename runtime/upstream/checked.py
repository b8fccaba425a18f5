"""An HTTP transport that connects to addresses that may be connected to, under the name that they were found by."""

from __future__ import annotations

from contextlib import suppress

import httpx2

from meshplan.runtime.upstream.egress import AddressRefused, Egress


class Checked(httpx2.AsyncBaseTransport):
    """Looks each name up by ``egress``; the connection goes to the address that was looked at."""

    def __init__(self, pool: httpx2.AsyncBaseTransport, egress: Egress) -> None:
        self._pool, self._egress = pool, egress

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the next address of the name is tried where none of it was sent."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = await self._egress.addresses(url.host, port)
        except AddressRefused as refused:
            raise httpx2.ConnectError(refused.reason, request=request) from refused
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        if addresses != [url.host]:
            request.extensions = {**request.extensions, "sni_hostname": url.host}
        for address in addresses[:-1]:
            request.url = url.copy_with(host=address)
            with suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                return await self._pool.handle_async_request(request)
        request.url = url.copy_with(host=addresses[-1])
        return await self._pool.handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()
