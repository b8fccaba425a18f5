"""A relay that adds one header to each request: the suite cannot send a credential; nothing else is touched."""

import argparse
import asyncio

MAX_HEAD = 64 * 1024


async def _request(reader, header):
    """One request of a client as bytes, with the header after its request line; `None` at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, _, rest = head.partition(b"\r\n")
    fields = dict(part.split(b":", 1) for part in rest.lower().split(b"\r\n") if b":" in part)
    if b"transfer-encoding" in fields:
        raise ValueError("the suite is not known to send chunked bodies")
    body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
    return line + b"\r\n" + header + b"\r\n" + rest + body


async def _copy(reader, writer):
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def _serve(client, answers, port, header):
    server, writer = await asyncio.open_connection("127.0.0.1", port)
    back = asyncio.create_task(_copy(server, answers))
    try:
        while (request := await _request(client, header)) is not None:
            writer.write(request)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
        await back


async def relay(listen, port, header):
    async def accept(client, answers):
        await _serve(client, answers, port, header)

    server = await asyncio.start_server(accept, "127.0.0.1", listen, limit=MAX_HEAD)
    async with server:
        await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("listen", type=int)
    parser.add_argument("port", type=int)
    parser.add_argument("header")
    found = parser.parse_args()
    asyncio.run(relay(found.listen, found.port, found.header.encode()))


if __name__ == "__main__":
    main()
