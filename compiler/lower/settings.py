"""Settings of the serving process."""

from __future__ import annotations

from collections.abc import Sequence

from meshplan.compiler.lower.servers import value
from meshplan.compiler.resolved import ResolvedOperator
from meshplan.compiler.syntax.settings import Runtime
from meshplan.schemas import plan


def lower_settings(runtime: Runtime, operators: Sequence[ResolvedOperator]) -> plan.Settings:
    """Where and within which bounds the runtime serves."""
    limits, ledger, counters = runtime.limits, runtime.ledger, runtime.counters
    return plan.Settings(
        listen=runtime.listen,
        public_url=runtime.public_url,
        admin_listen=runtime.admin_listen,
        admin_url=runtime.admin_url,
        operators=tuple(plan.Operator(to=one.to, endpoints=one.endpoints) for one in operators),
        allowed_origins=tuple(sorted(set(runtime.allowed_origins))),
        trusted_proxies=tuple(sorted(set(runtime.trusted_proxies))),
        private_networks=tuple(sorted(set(runtime.private_networks))),
        seal_keys=tuple(value(key) for key in runtime.seal_keys),
        counters=None if counters is None else plan.Counters(redis=value(counters.redis), fail=counters.fail),
        ledger=None
        if ledger is None
        else plan.Ledger(
            path=ledger.path,
            durability=ledger.durability,
            window_ms=ledger.window,
            overflow=ledger.overflow,
            retention_ms=ledger.retention,
            arguments=tuple(sorted(set(ledger.arguments))),
            results=tuple(sorted(set(ledger.results))),
        ),
        sign_ins=None if runtime.sign_ins is None else plan.SignIns(path=runtime.sign_ins.path),
        limits=plan.Limits(
            body_bytes=limits.body,
            json_depth=limits.depth,
            header_bytes=limits.headers,
            idle_streams=limits.idle_streams,
            stream_ms=limits.stream,
            concurrency_per_principal=limits.concurrency.per_principal,
            concurrency_per_upstream=limits.concurrency.per_upstream,
        ),
    )
