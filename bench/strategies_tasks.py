"""Ten tasks of several steps over the example servers, as a model would do them call by call, and as a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Ask = tuple[str, dict[str, Any]]
Turn = Callable[[list[list[Any]]], list[Ask]]
"""From the results of the turns before to the calls of one more, all made at once."""


@dataclass(frozen=True)
class Task:
    """``queries`` find the tools, ``turns`` use them one after the other, ``program`` does all; both come to ``answer``."""

    title: str
    queries: list[str]
    turns: list[Turn]
    answer: Callable[[list[list[Any]]], Any]
    program: str


def first(*asks: Ask) -> Turn:
    """A turn that depends on nothing."""
    return lambda _: list(asks)


OPEN = ("search_tickets", {"status": "open", "limit": 50})
PRODUCTS = ("search_products", {"limit": 50})

TASKS = [
    Task(
        "read every open ticket",
        ["search tickets by status", "get ticket"],
        [first(OPEN), lambda seen: [("get_ticket", {"id": one["id"]}) for one in seen[0][0]["tickets"]]],
        lambda seen: [[one["title"], one["priority"]] for one in seen[1]],
        """
found = await search_tickets(status="open", limit=50)
read = await asyncio.gather(*[get_ticket(id=one["id"]) for one in found["tickets"]])
[[one["title"], one["priority"]] for one in read]
""",
    ),
    Task(
        "a digest note of all notes about ops",
        ["list notes by tag", "get note", "create note"],
        [
            first(("list_notes", {"tag": "ops"})),
            lambda seen: [("get_note", {"id": one["id"]}) for one in seen[0][0]["notes"]],
            lambda seen: [
                ("create_note", {"title": "Digest", "body": "\n".join(one["body"] for one in seen[1]), "tag": "digest"})
            ],
        ],
        lambda seen: len(seen[2][0]["body"]),
        """
found = await list_notes(tag="ops")
read = await asyncio.gather(*[get_note(id=one["id"]) for one in found["notes"]])
made = await create_note(title="Digest", body="\\n".join(one["body"] for one in read), tag="digest")
len(made["body"])
""",
    ),
    Task(
        "the dearest product",
        ["search products", "get product price"],
        [
            first(PRODUCTS),
            lambda seen: [("get_product", {"sku": one["sku"]}) for one in seen[0][0]["products"]],
        ],
        lambda seen: max(seen[1], key=lambda one: one["cents"])["sku"],
        """
found = await search_products(limit=50)
read = await asyncio.gather(*[get_product(sku=one["sku"]) for one in found["products"]])
max(read, key=lambda one: one["cents"])["sku"]
""",
    ),
    Task(
        "ten percent off everything that is in stock",
        ["search products", "get product price stock", "set price"],
        [
            first(PRODUCTS),
            lambda seen: [("get_product", {"sku": one["sku"]}) for one in seen[0][0]["products"]],
            lambda seen: [
                ("set_price", {"sku": one["sku"], "cents": one["cents"] * 9 // 10}) for one in seen[1] if one["stock"]
            ],
        ],
        lambda seen: sum(one["cents"] for one in seen[2]),
        """
found = await search_products(limit=50)
read = await asyncio.gather(*[get_product(sku=one["sku"]) for one in found["products"]])
done = await asyncio.gather(*[set_price(sku=one["sku"], cents=one["cents"] * 9 // 10) for one in read if one["stock"]])
sum([one["cents"] for one in done])
""",
    ),
    Task(
        "a ticket for every product that is sold out",
        ["search products", "get product stock", "create ticket"],
        [
            first(PRODUCTS),
            lambda seen: [("get_product", {"sku": one["sku"]}) for one in seen[0][0]["products"]],
            lambda seen: [
                ("create_ticket", {"title": f"Order {one['sku']}", "body": one["name"], "reporter": "shop@example.com"})
                for one in seen[1]
                if not one["stock"]
            ],
        ],
        lambda seen: [one["title"] for one in seen[2]],
        """
found = await search_products(limit=50)
read = await asyncio.gather(*[get_product(sku=one["sku"]) for one in found["products"]])
out = [one for one in read if not one["stock"]]
made = [await create_ticket(title="Order " + one["sku"], body=one["name"], reporter="shop@example.com") for one in out]
[one["title"] for one in made]
""",
    ),
    Task(
        "a comment on every open ticket",
        ["search tickets by status", "comment on ticket"],
        [
            first(OPEN),
            lambda seen: [
                ("add_comment", {"id": one["id"], "author": "desk@example.com", "body": "We are on it."})
                for one in seen[0][0]["tickets"]
            ],
        ],
        lambda seen: sum(len(one["comments"]) for one in seen[1]),
        """
found = await search_tickets(status="open", limit=50)
done = [await add_comment(id=one["id"], author="desk@example.com", body="We are on it.") for one in found["tickets"]]
sum([len(one["comments"]) for one in done])
""",
    ),
    Task(
        "how far every price has moved",
        ["search products", "price history of product"],
        [
            first(PRODUCTS),
            lambda seen: [("get_price_history", {"sku": one["sku"]}) for one in seen[0][0]["products"]],
        ],
        lambda seen: sorted([one["sku"], len(one["prices"])] for one in seen[1]),
        """
found = await search_products(limit=50)
read = await asyncio.gather(*[get_price_history(sku=one["sku"]) for one in found["products"]])
sorted([[one["sku"], len(one["prices"])] for one in read])
""",
    ),
    Task(
        "another tag for all notes about hiring",
        ["list notes by tag", "update note"],
        [
            first(("list_notes", {"tag": "hiring"})),
            lambda seen: [("update_note", {"id": one["id"], "tag": "people"}) for one in seen[0][0]["notes"]],
        ],
        lambda seen: [one["tag"] for one in seen[1]],
        """
found = await list_notes(tag="hiring")
done = [await update_note(id=one["id"], tag="people") for one in found["notes"]]
[one["tag"] for one in done]
""",
    ),
    Task(
        "a note of what the desk has to do",
        ["search tickets by status", "search notes", "create note"],
        [
            first(OPEN, ("search_notes", {"query": "search"})),
            lambda seen: [
                (
                    "create_note",
                    {
                        "title": "To do",
                        "body": "\n".join(one["title"] for one in [*seen[0][0]["tickets"], *seen[0][1]["notes"]]),
                    },
                )
            ],
        ],
        lambda seen: len(seen[1][0]["body"]),
        """
tickets, notes = await asyncio.gather(search_tickets(status="open", limit=50), search_notes(query="search"))
lines = [one["title"] for one in tickets["tickets"] + notes["notes"]]
made = await create_note(title="To do", body="\\n".join(lines))
len(made["body"])
""",
    ),
    Task(
        "an index, and a check that it knows every product",
        ["rebuild search index", "search products", "get product"],
        [
            first(("reindex", {"steps": 2, "delay_ms": 0})),
            first(PRODUCTS),
            lambda seen: [("get_product", {"sku": one["sku"]}) for one in seen[1][0]["products"]],
        ],
        lambda seen: [seen[0][0]["products"], len(seen[2])],
        """
built = await reindex(steps=2, delay_ms=0)
found = await search_products(limit=50)
read = await asyncio.gather(*[get_product(sku=one["sku"]) for one in found["products"]])
[built["products"], len(read)]
""",
    ),
]
