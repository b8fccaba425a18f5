"""Our own HTTP client against servers that are scripted byte by byte."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from contextlib import asynccontextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meshplan.runtime.identity.challenge import Challenge, read_challenge
from meshplan.runtime.upstream import origin as connections
from meshplan.runtime.upstream import wire
from meshplan.runtime.upstream.deadline import NEVER
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.failures import ProtocolMismatch, SessionLost, Unavailable
from meshplan.runtime.upstream.origin import Origin

JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


class Script:
    """Gives the answers in turn, one a request; ``None`` closes instead. Counts connections and requests."""

    def __init__(self, *answers):
        self.answers, self.connections, self.requests = list(answers), 0, 0
        self.closed = asyncio.Event()

    async def __call__(self, reader, writer):
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n{}")
                self.requests += 1
                answer = self.answers.pop(0)
                if answer is None:
                    break
                for part in answer if isinstance(answer, list) else [answer]:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()


@asynccontextmanager
async def origin(script, *, secure=None, host="127.0.0.1"):
    running = set()

    async def serve(reader, writer):
        running.add(asyncio.current_task())
        try:
            await script(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=secure)
    port = server.sockets[0].getsockname()[1]
    found = Origin(f"{'https' if secure else 'http'}://{host}:{port}/mcp", Egress())
    try:
        yield found
    finally:
        found.close()
        server.close()
        await asyncio.gather(*running)


async def ask(found, seconds=5.0):
    deadline = asyncio.get_running_loop().time() + seconds
    connection, reply = await found.send(POST, deadline)
    while not reply.done:
        await reply.wait()
        if reply.events:
            break
    return connection, reply


@pytest.mark.parametrize(
    "answer",
    [
        JSON + b"content-length: 8\r\n\r\n" + b'{"a": 1}',
        [JSON + b"content-length: 8\r\n\r\n" + b'{"a"', b": 1}"],
        [JSON + b"Transfer-Encoding: chunked\r\n\r\n", chunk(b'{"a": '), chunk(b"1}"), b"0\r\n\r\n"],
        [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", JSON + b"content-length: 8\r\n\r\n" + b'{"a": 1}'],
        [bytes([byte]) for byte in JSON + b"content-length: 8\r\n\r\n" + b'{"a": 1}'],
    ],
)
async def test_however_a_body_is_framed_and_cut_it_arrives_and_the_connection_is_used_again(answer):
    script = Script(answer, answer)
    async with origin(script) as found:
        for _ in range(2):
            _, reply = await ask(found)
            assert (reply.status, reply.kind, reply.body) == (200, b"application/json", b'{"a": 1}')
            assert reply.failure is None
    assert (script.connections, script.requests) == (1, 2)


async def test_challenges_are_kept_whichever_header_they_are_in():
    said = b'WWW-Authenticate: Basic realm="x"\r\nwww-authenticate: Bearer scope="a b", error=invalid_token\r\n'
    async with origin(Script(b"HTTP/1.1 401 Unauthorized\r\n" + said + b"content-length: 0\r\n\r\n")) as found:
        _, reply = await ask(found)
    assert read_challenge(reply.challenge.decode()) == Challenge("invalid_token", ("a", "b"))


async def test_a_body_that_ends_with_the_connection():
    answer = JSON + b"connection: close\r\n\r\n" + b"{}"

    async def once(reader, writer):
        await reader.readuntil(b"{}")
        writer.write(answer)
        writer.close()

    async with origin(once) as found:
        _, reply = await ask(found)
        assert (reply.body, reply.failure) == (b"{}", None)


async def test_events_are_handed_over_one_by_one_and_whatever_line_ends_they_have():
    more = asyncio.Event()

    async def stream(reader, writer):
        await reader.readuntil(b"{}")
        writer.write(EVENTS + chunk(b"id: 1\ndata:\n\nevent: message\r\ndata: one\r\n\r\ndata: t"))
        await more.wait()
        writer.write(chunk(b"wo\r\rdata: three\n\n") + b"0\r\n\r\n")

    async with origin(stream) as found:
        _, reply = await ask(found)
        assert reply.streams
        assert reply.next_event() == b"one"
        assert not reply.done
        more.set()
        while not reply.done:
            await reply.wait()
            await asyncio.sleep(0)
        assert [reply.next_event() for _ in range(len(reply.events))] == [b"two", b"three"]


async def test_a_request_is_not_sent_twice_where_a_kept_connection_breaks_under_it():
    fine = JSON + b"content-length: 2\r\n\r\n{}"
    script = Script(fine, None, fine)
    async with origin(script) as found:
        await ask(found)
        _, reply = await ask(found)
        assert isinstance(reply.failure, Unavailable)
        assert not isinstance(reply.failure, SessionLost)
        assert reply.failure.sent
        assert script.requests == 2
        _, reply = await ask(found)
        assert reply.body == b"{}"
    assert (script.connections, script.requests) == (2, 3)


async def test_a_connection_that_the_server_closed_while_it_was_idle_is_not_used():
    fine = JSON + b"content-length: 2\r\n\r\n{}"
    script = Script(fine, fine)
    seen = []

    async def closing(reader, writer):
        await reader.readuntil(b"{}")
        writer.write(script.answers.pop(0))
        await writer.drain()
        writer.close()
        seen.append(1)

    async with origin(closing) as found:
        for _ in range(2):
            connection, reply = await ask(found)
            assert reply.body == b"{}"
            for _ in range(1000):
                await asyncio.sleep(0)
                if not connection.usable(asyncio.get_running_loop().time()):
                    break
    assert seen == [1, 1]


@pytest.mark.parametrize(
    ("answer", "failure", "says"),
    [
        (b"SSH-2.0-OpenSSH\r\n", ProtocolMismatch, "not HTTP"),
        (JSON + b"x: " + b"y" * 70_000 + b"\r\n\r\n", ProtocolMismatch, "head is too large"),
        (JSON + b"content-length: 99\r\n\r\n" + b"x" * 99, Unavailable, "the answer is larger than"),
        (EVENTS + chunk(b"data: " + b"x" * 99), Unavailable, "the event is larger than"),
        (None, Unavailable, "broke before the answer"),
    ],
)
async def test_what_is_no_answer_fails_as_what_it_is(answer, failure, says, monkeypatch):
    monkeypatch.setattr(wire, "MAX_BYTES", 64)
    monkeypatch.setattr(wire, "MAX_EVENT_BYTES", 64)
    async with origin(Script(answer)) as found:
        _, reply = await ask(found)
        assert isinstance(reply.failure, failure)
        assert says in reply.failure.reason
        assert reply.failure.sent


async def test_an_answer_that_comes_too_late_is_not_waited_for_and_the_server_hears_of_it():
    script = Script([])
    async with origin(script) as found:
        _, reply = await ask(found, seconds=0.05)
        assert (reply.late, reply.done) == (True, True)
        await asyncio.wait_for(script.closed.wait(), 5)


async def test_nothing_is_sent_where_nobody_listens():
    async with origin(Script()) as found:
        pass
    with pytest.raises(SessionLost, match="has ended"):
        await found.send(POST, NEVER)
    with pytest.raises(SessionLost, match="connection refused"):
        await Origin("http://127.0.0.1:1/mcp", Egress()).send(POST, NEVER)


def certificate(folder, name):
    """A key and a certificate that vouches for itself; the TLS context of the server, and the file to trust."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "cert.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context, chain


@pytest.fixture
def trusting(monkeypatch):
    def trust(path):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        connections.tls_context.cache_clear()

    yield trust
    connections.tls_context.cache_clear()


async def test_tls_with_a_certificate_that_is_trusted(tmp_path, trusting):
    context, chain = certificate(tmp_path, "127.0.0.1")
    trusting(chain)
    async with origin(Script(JSON + b"content-length: 2\r\n\r\n{}"), secure=context) as found:
        _, reply = await ask(found)
        assert reply.body == b"{}"


@pytest.mark.parametrize(("name", "trusted"), [("127.0.0.1", False), ("127.0.0.2", True)])
async def test_a_certificate_of_strangers_or_of_another_name_is_refused_before_anything_is_sent(
    name, trusted, tmp_path, trusting
):
    context, chain = certificate(tmp_path, name)
    trusting(chain if trusted else tmp_path / "none.pem")
    script = Script(b"")
    async with origin(script, secure=context) as found:
        with pytest.raises(SessionLost, match="the certificate is not trusted"):
            await found.send(POST, asyncio.get_running_loop().time() + 5)
    assert script.requests == 0
