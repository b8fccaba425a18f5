"""An invoker that writes a ledger, with an upstream in memory, and `ann` who calls it: for crashes and for benchmarks."""

import hashlib

from plans import FakeUpstreams

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.principal import Caller
from meshplan.runtime.snapshot import Snapshot


def recording(folder, bundle, answer):
    """The book, and what makes one call of `get_note`, which `answer` answers; the plan may have no ledger."""
    active, upstreams = Active(), FakeUpstreams()
    upstreams.serve("notes", answer)
    book = Book(folder, active, lambda *_: None)
    book.prepare(bundle.plan)
    active.swap(Snapshot(bundle))
    invoker = Invoker(active, upstreams, lambda _: None, ledger=book)
    key = hashlib.sha256(b"secret-ann").hexdigest()
    caller = Caller(key, active.snapshot.keyring.principal(key, active.now))

    def call(**params):
        params = {"name": "get_note", **params}
        return invoker.invoke(Call(endpoint="dev", caller=caller, era="modern", method="tools/call", params=params))

    return book, call
