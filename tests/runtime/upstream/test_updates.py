"""Updates of resources: one subscription upstream for all who listen, in both eras, renewed on a new connection."""

from contextlib import AsyncExitStack
from dataclasses import replace

import anyio
import pytest
from msgspec import structs

from meshplan.runtime.upstream import updates
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import Client, FollowedTask, UpstreamRefusal, UpstreamUnavailable


@pytest.fixture(params=["modern", "legacy"])
async def server(request, kit):
    return kit.stdio_server(request.param, "resources")


async def seen(upstream, kit):
    return await upstream.request(kit.call("seen"))


async def update(upstream, kit, uri):
    await upstream.request(kit.call("update", uri=uri))


class Ear:
    """Collects updates."""

    def __init__(self):
        self.heard = []
        self.woken = anyio.Event()

    def __call__(self, uri):
        self.heard.append(uri)
        self.woken.set()

    async def hears(self, *uris):
        with anyio.fail_after(10):
            while self.heard != list(uris):
                self.woken = anyio.Event()
                await self.woken.wait()


async def until_subscribed(upstream, kit, *uris):
    with anyio.fail_after(10):
        while (await seen(upstream, kit))["subscribed"] != sorted(uris):
            pass


async def test_all_who_listen_share_one_subscription(upstream, kit):
    first, second, other = Ear(), Ear(), Ear()
    with anyio.fail_after(30):
        async with upstream.subscribe("r:1", first), upstream.subscribe("r:2", other):
            async with upstream.subscribe("r:1", second):
                await until_subscribed(upstream, kit, "r:1", "r:2")
                await update(upstream, kit, "r:1")
                await first.hears("r:1")
                await second.hears("r:1")
            await update(upstream, kit, "r:1/below")
            await first.hears("r:1", "r:1/below")
            await update(upstream, kit, "r:12")
            await update(upstream, kit, "r:2")
            await other.hears("r:2")
        await until_subscribed(upstream, kit)
    assert (first.heard, second.heard) == (["r:1", "r:1/below"], ["r:1"])
    assert (await seen(upstream, kit))["subscribes"] <= 6


async def test_a_subscription_outlives_its_connection(upstream, kit):
    ear = Ear()
    with anyio.fail_after(30):
        async with upstream.subscribe("r:1", ear):
            pid = (await seen(upstream, kit))["pid"]
            with pytest.raises(UpstreamUnavailable):
                await upstream.request(kit.call("die"))
            await until_subscribed(upstream, kit, "r:1")
            assert (await seen(upstream, kit))["pid"] != pid
            await update(upstream, kit, "r:1")
            await ear.hears("r:1")


async def test_a_server_that_does_not_agree_says_why(upstream, kit):
    with anyio.fail_after(30):
        async with upstream.subscribe("r:1", Ear()):
            with pytest.raises(UpstreamRefusal) as caught:
                async with upstream.subscribe("secret:1", Ear()):
                    raise AssertionError("it did not agree")
            assert caught.value.code in {-32602, -32601}
            await until_subscribed(upstream, kit, "r:1")


async def test_a_modern_server_is_asked_to_tell_of_lists_and_an_older_one_is_not(upstream, kit):
    await seen(upstream, kit)
    modern = upstream.health().protocol_version == "2026-07-28"
    with anyio.fail_after(10):
        while (found := await seen(upstream, kit))["subscribes"] != int(modern):
            pass
    assert found["lists"] == (["toolsListChanged"] if modern else [])


def modern(kit, sessions="shared"):
    return kit.stdio_server("modern", "resources").model_copy(update={"sessions": sessions})


async def test_a_task_is_followed_beside_resources_and_only_while_somebody_does(kit, tmp_path):
    task, other, resource = Ear(), Ear(), Ear()
    with anyio.fail_after(30):
        async with open_upstreams({"s": modern(kit)}, tmp_path) as upstreams:
            upstream = upstreams.get("s")
            async with upstream.subscribe("r:1", resource), upstream.follow(FollowedTask("t1"), task):
                with pytest.raises(UpstreamRefusal):
                    async with upstream.follow(FollowedTask("secret"), other):
                        raise AssertionError("it did not agree")
                async with upstream.follow(FollowedTask("t2"), other):
                    for number in ("t2", "t1"):
                        await upstream.request(kit.call("update", task=number))
                    await task.hears({"taskId": "t1", "_meta": {"mine": 1}})
                    await other.hears({"taskId": "t2", "_meta": {"mine": 1}})
                await update(upstream, kit, "r:1")
                await resource.hears("r:1")
            await until_subscribed(upstream, kit)


async def test_a_task_is_followed_in_the_session_that_it_was_started_in(kit, tmp_path):
    ann, bob = Client(("key", "ann"), "one"), Client(("key", "bob"), "one")
    ear = Ear()
    with anyio.fail_after(30):
        async with open_upstreams({"s": modern(kit, "per_client")}, tmp_path) as upstreams:
            upstream = upstreams.get("s")
            await upstream.request(structs.replace(kit.call("seen"), client=ann))
            async with upstream.follow(FollowedTask("t1", ann), ear):
                for client in (None, bob, ann):
                    await upstream.request(structs.replace(kit.call("update", task="t1"), client=client))
                await ear.hears({"taskId": "t1", "_meta": {"mine": 1}})
            with pytest.raises(UpstreamRefusal, match="has ended"):
                async with upstream.follow(FollowedTask("t1", replace(ann, name="two")), ear):
                    raise AssertionError("there is no such session")


async def test_an_older_server_has_no_tasks_to_follow(kit, tmp_path):
    with anyio.fail_after(30):
        async with open_upstreams({"s": kit.stdio_server("legacy", "resources")}, tmp_path) as upstreams:
            with pytest.raises(UpstreamRefusal):
                async with upstreams.get("s").follow(FollowedTask("t1"), Ear()):
                    raise AssertionError("it did not agree")


async def test_a_server_that_is_down_fails_the_subscription(kit, tmp_path, monkeypatch):
    monkeypatch.setattr(updates, "AGREE_SECONDS", 0.5)
    with anyio.fail_after(30):
        dead = kit.stdio_server("legacy", "die-at-start")
        async with open_upstreams({"s": dead}, tmp_path) as upstreams, AsyncExitStack() as stack:
            with pytest.raises(UpstreamUnavailable):
                await stack.enter_async_context(upstreams.get("s").subscribe("r:1", Ear()))
