"""Retries, breaker and replicas on a clock of the test's own: against a plain oracle, and case by case."""

import math
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from meshplan.runtime.upstream.breaker import Breaker
from meshplan.runtime.upstream.failures import SecretUnavailable, Unavailable
from meshplan.runtime.upstream.port import (
    Health,
    UpstreamRefusal,
    UpstreamRequest,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from meshplan.runtime.upstream.resilience import Clock, Resilient
from meshplan.schemas.plan import Breaker as Policy
from meshplan.schemas.plan import HttpTransport, Retry, Server

UNSENT, SENT, TIMEOUT, REFUSED, OK = "unsent", "sent", "timeout", "refused", "ok"
RAISES = {
    UNSENT: lambda: Unavailable("cannot connect"),
    SENT: lambda: Unavailable("the connection broke", sent=True),
    TIMEOUT: lambda: UpstreamTimeout("late"),
    REFUSED: lambda: UpstreamRefusal(-32000, "no"),
    "secret": lambda: SecretUnavailable("no token"),
}


@dataclass
class Time:
    """A clock that moves only when somebody sleeps, or the test says so."""

    at: float = 0.0
    slept: list = field(default_factory=list)

    def clock(self):
        return Clock(lambda: self.at, self.sleep, lambda: 1.0)

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.at += seconds


@dataclass
class Script:
    """An upstream that does what it is told, one word a request, and OK after that."""

    words: list = field(default_factory=list)
    state: str = "connected"
    log: list = field(default_factory=list)
    name: int = 0
    asked: int = 0

    async def request(self, request):
        await anyio.lowlevel.checkpoint()
        word = self.words.pop(0) if self.words else OK
        self.asked += 1
        self.log.append((self.name, word))
        if word != OK:
            failure = RAISES[word]()
            raise failure
        return {"from": self.name, "left": request.timeout}

    forward = request

    def health(self):
        return Health(self.state, None, None)


def server(*, retry=None, breaker=None):
    transport = HttpTransport(url="http://127.0.0.1:9/mcp", headers={}, auth=None)
    return Server(transport=transport, timeout_ms=9000, relays=(), retry=retry, breaker=breaker)


def call(*, repeatable=False, timeout=9.0, **more):
    return UpstreamRequest("tools/call", {"name": "x"}, timeout, repeatable=repeatable, **more)


def together(*scripts, time=None, **policy):
    log = []
    for name, script in enumerate(scripts):
        script.name, script.log = name, log
    return Resilient(server(**policy), scripts, (time or Time()).clock()), log


async def outcome(resilient, request):
    try:
        return (await resilient.request(request))["from"]
    except UpstreamRefusal:
        return REFUSED
    except UpstreamTimeout:
        return TIMEOUT
    except UpstreamUnavailable as error:
        return SENT if error.sent else UNSENT


def oracle(scripts, attempts, *, repeatable):
    """What should be asked, and how it should end, without a breaker and with everybody connected."""
    asked, last, ended = [], None, UNSENT
    for _ in range(attempts if repeatable else 1):
        order = [name for name in range(len(scripts)) if name != last] + ([] if last is None else [last])
        for name in order:
            word = scripts[name].pop(0) if scripts[name] else OK
            asked.append((name, word))
            last, ended = name, name if word == OK else word
            if word in (OK, REFUSED, TIMEOUT):
                return asked, ended
            if word == SENT:
                break
        if ended == SENT and not repeatable:
            break
    return asked, ended


@settings(deadline=None, max_examples=200)
@given(
    scripts=st.lists(
        st.lists(st.sampled_from([UNSENT, SENT, TIMEOUT, REFUSED, OK]), max_size=4), min_size=1, max_size=3
    ),
    attempts=st.integers(1, 4),
    repeatable=st.booleans(),
)
async def test_what_is_asked_is_what_the_rules_say(scripts, attempts, repeatable):
    expected = oracle([list(words) for words in scripts], attempts, repeatable=repeatable)
    upstreams = [Script(list(words)) for words in scripts]
    resilient, log = together(*upstreams, retry=Retry(attempts=attempts, backoff_ms=1, idempotent=()))
    ended = await outcome(resilient, call(repeatable=repeatable))
    assert (log, ended) == expected
    if not repeatable:
        assert sum(word != UNSENT for _, word in log) <= 1


@settings(deadline=None, max_examples=200)
@given(
    steps=st.lists(st.tuples(st.sampled_from([True, False, None]), st.integers(0, 6)), max_size=40),
    failures=st.integers(1, 4),
)
def test_a_breaker_opens_after_so_many_failures_in_a_row_and_lets_one_probe_through(steps, failures):
    time = Time()
    breaker = Breaker(lambda: time.at)
    breaker.policy = Policy(failures=failures, cooldown_ms=3000)
    row, until = 0, -math.inf
    for failed, passes in steps:
        is_open = row >= failures and time.at < until
        assert (breaker.left() > 0) is is_open
        assert breaker.state == ("open" if is_open else "half_open" if row >= failures else "closed")
        if not is_open:
            probe = breaker.begin()
            assert probe is (row >= failures)
            assert (breaker.left() > 0) is probe
            breaker.ended(failed=failed, probe=probe)
            if failed is not None:
                row = row + 1 if failed else 0
                until = time.at + 3 if row >= failures else until
        time.at += passes


async def test_pauses_double_and_the_callers_time_is_kept():
    time = Time()
    resilient, _ = together(Script([SENT] * 9), time=time, retry=Retry(attempts=5, backoff_ms=1000, idempotent=()))
    assert await outcome(resilient, call(repeatable=True, timeout=10)) == SENT
    assert time.slept == [1, 2, 4]
    script = Script([UNSENT, OK])
    resilient, _ = together(script, time=time, retry=Retry(attempts=2, backoff_ms=1000, idempotent=()))
    assert (await resilient.request(call(repeatable=True, timeout=10)))["left"] == 9


async def test_reads_of_the_protocol_are_repeated_and_nothing_that_a_client_was_asked_for():
    retry = Retry(attempts=3, backoff_ms=1, idempotent=())
    for method, asked in (("resources/read", 3), ("prompts/get", 3), ("tools/call", 1), ("tasks/cancel", 1)):
        script = Script([SENT] * 3)
        await outcome(together(script, retry=retry)[0], structs.replace(call(), method=method))
        assert script.asked == asked

    async def ask(method, params):
        raise AssertionError(method, params)

    script = Script([SENT] * 3)
    await outcome(together(script, retry=retry)[0], call(repeatable=True, on_ask=ask))
    assert script.asked == 1


async def test_a_retry_is_decided_again():
    def no():
        raise PermissionError

    script = Script([SENT])
    with pytest.raises(PermissionError):
        await together(script, retry=Retry(attempts=3, backoff_ms=1, idempotent=()))[0].request(
            call(repeatable=True, before_retry=no)
        )
    assert script.asked == 1


async def test_an_open_breaker_refuses_at_once_and_says_when_to_come_back():
    time, script = Time(), Script([UNSENT] * 4)
    retry = Retry(attempts=3, backoff_ms=1, idempotent=())
    resilient, _ = together(script, time=time, breaker=Policy(failures=2, cooldown_ms=30_000), retry=retry)
    assert await outcome(resilient, call(repeatable=True)) == UNSENT
    assert (script.asked, resilient.health().breaker) == (2, "open")
    time.at += 10
    slept = len(time.slept)
    with pytest.raises(UpstreamUnavailable, match="left alone") as caught:
        await resilient.request(call(repeatable=True))
    assert caught.value.retry_after == pytest.approx(20, abs=0.1)
    assert (script.asked, len(time.slept)) == (2, slept)
    time.at += 25
    assert resilient.health().breaker == "half_open"
    assert await outcome(resilient, call()) == UNSENT
    assert resilient.health().breaker == "open"
    time.at += 31
    script.words.clear()
    assert await outcome(resilient, call()) == 0
    assert resilient.health().breaker == "closed"


async def test_only_one_call_finds_out_and_one_that_is_cancelled_leaves_it_to_the_next():
    time, release = Time(), anyio.Event()

    class Slow(Script):
        async def request(self, request):
            if self.asked:
                self.asked += 1
                await release.wait()
            return await super().request(request)

    script = Slow([UNSENT])
    resilient, _ = together(script, time=time, breaker=Policy(failures=1, cooldown_ms=1000))
    assert await outcome(resilient, call()) == UNSENT
    time.at += 2
    async with anyio.create_task_group() as group:
        group.start_soon(outcome, resilient, call())
        await anyio.wait_all_tasks_blocked()
        assert await outcome(resilient, call()) == UNSENT
        assert script.asked == 2
        group.cancel_scope.cancel()
    release.set()
    assert await outcome(resilient, call()) == 0


async def test_a_secret_that_is_missing_says_nothing_of_the_server():
    script = Script(["secret"] * 3)
    resilient, _ = together(script, breaker=Policy(failures=1, cooldown_ms=1000))
    for _ in range(3):
        assert await outcome(resilient, call()) == UNSENT
    assert resilient.health().breaker == "closed"


async def test_a_replica_that_is_there_comes_before_a_url_that_is_not():
    dead, alive = Script(state="unavailable"), Script()
    resilient, log = together(dead, alive)
    assert await outcome(resilient, call()) == 1
    assert [member.state for member in resilient.health().members] == ["unavailable", "connected"]
    assert resilient.health().state == "connected"
    dead.state = "connected"
    assert await outcome(resilient, call()) == 0
    assert log == [(1, OK), (0, OK)]


@given(
    scripts=st.lists(
        st.lists(st.sampled_from([UNSENT, SENT, TIMEOUT, REFUSED, OK]), max_size=3), min_size=1, max_size=3
    ),
    attempts=st.integers(1, 4),
    repeatable=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_whoever_keeps_a_trace_hears_of_every_try_and_of_each_that_missed(scripts, attempts, repeatable):
    heard = []

    class Sends:
        def sending(self, _request, _server, _upstream, replica):
            heard.append((replica, OK))

        def missed(self, failure):
            assert not isinstance(failure, UpstreamRefusal)
            heard[-1] = (heard[-1][0], "missed")

        def unsent(self):
            heard.append("unsent")

    policy = Retry(attempts=attempts, backoff_ms=1, idempotent=())
    resilient, log = together(*(Script(list(words)) for words in scripts), retry=policy)
    anyio.run(outcome, resilient, call(repeatable=repeatable, sends=Sends()))
    assert heard == [(name, "missed" if word in (UNSENT, SENT, TIMEOUT) else OK) for name, word in log]


async def test_nothing_is_sent_to_a_server_that_is_left_alone():
    heard = []

    class Sends:
        def sending(self, *_):
            heard.append("sending")

        def missed(self, _failure):
            heard.append("missed")

        def unsent(self):
            heard.append("unsent")

    resilient, _ = together(Script([SENT]), breaker=Policy(failures=1, cooldown_ms=60_000))
    for _ in range(2):
        assert await outcome(resilient, call(sends=Sends())) in (SENT, UNSENT)
    assert heard == ["sending", "missed", "unsent"]
