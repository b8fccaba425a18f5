"""An MCP server over streamable HTTP that keeps a product catalogue, and knows only sessions, as in 2025."""

from typing import Annotated

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp_types import INVALID_REQUEST
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from store import DESTROY, READ, SET, ExampleServer, Refused, Store, Value, as_json, now, options, serve_http

SCHEMA = """
CREATE TABLE products (
    sku TEXT PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL, cents INTEGER NOT NULL, stock INTEGER NOT NULL
);
CREATE TABLE prices (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sku TEXT NOT NULL REFERENCES products (sku), cents INTEGER NOT NULL,
    since TEXT NOT NULL
);
CREATE TABLE words (word TEXT NOT NULL, sku TEXT NOT NULL REFERENCES products (sku), PRIMARY KEY (word, sku))
"""
NEW_PRODUCT = "INSERT INTO products (sku, name, category, cents, stock) VALUES (?, ?, ?, ?, ?)"
NEW_PRICE = "INSERT INTO prices (sku, cents, since) VALUES (?, ?, ?)"
NEW_WORD = "INSERT OR IGNORE INTO words (word, sku) VALUES (?, ?)"
PRODUCTS: list[tuple[str, str, str, int, int]] = [
    ("KET-100", "Gooseneck kettle, 1 litre", "kitchen", 6900, 34),
    ("KET-170", "Electric kettle, 1.7 litre", "kitchen", 4500, 120),
    ("GRD-010", "Hand coffee grinder", "kitchen", 8900, 12),
    ("LMP-201", "Desk lamp, warm white", "office", 5400, 58),
    ("CHR-330", "Task chair with armrests", "office", 24900, 7),
    ("BAG-045", "Canvas backpack, 20 litre", "travel", 7900, 41),
    ("BTL-075", "Insulated bottle, 0.75 litre", "travel", 2900, 230),
]
PRICES: list[tuple[Value, ...]] = [
    ("KET-100", 7900, "2025-09-01T00:00:00+00:00"),
    ("CHR-330", 22900, "2025-11-15T00:00:00+00:00"),
    *((sku, cents, "2026-02-01T00:00:00+00:00") for sku, _, _, cents, _ in PRODUCTS),
]

Sku = Annotated[str, Field(description="Article number, such as KET-100", pattern="^[A-Z]{3}-[0-9]{3}$")]


class Product(BaseModel):
    """One article."""

    sku: str = Field(description="Article number")
    name: str = Field(description="What it is")
    category: str = Field(description="Where it is filed")
    cents: int = Field(description="Price in euro cents")
    stock: int = Field(description="How many are in the warehouse")


class Products(BaseModel):
    """A list of articles, by article number."""

    products: list[Product] = Field(description="The articles, by article number")


class Price(BaseModel):
    """A price and its first day."""

    cents: int = Field(description="Price in euro cents")
    since: str = Field(description="From when it held, ISO 8601")


class History(BaseModel):
    """The prices of one article."""

    sku: str = Field(description="Article number")
    prices: list[Price] = Field(description="The prices, the oldest first")


class Rebuilt(BaseModel):
    """What a rebuilt index holds."""

    products: int = Field(description="How many articles can be found")
    words: int = Field(description="By how many words")


class Catalog:
    """The articles of one store, and what a client may do with them."""

    def __init__(self, store: Store) -> None:
        """Work on a store that has the tables."""
        self._store = store

    def search_products(
        self,
        query: Annotated[
            str, Field(description="Words, or their beginnings, that must all occur; empty finds all")
        ] = "",
        category: Annotated[str, Field(description="Only articles of this category; empty for all")] = "",
        limit: Annotated[int, Field(description="How many articles to return at most", ge=1, le=100)] = 20,
    ) -> Products:
        """Find articles by words of their name and category. Uses the index that reindex builds."""
        found = self._store.all("SELECT * FROM products WHERE ? IN ('', category) ORDER BY sku", category)
        for word in _words(query):
            sql = "SELECT DISTINCT sku FROM words WHERE substr(word, 1, length(?1)) = ?1"
            hits = {row["sku"] for row in self._store.all(sql, word)}
            found = [row for row in found if row["sku"] in hits]
        return Products.model_validate({"products": found[:limit]})

    def get_product(self, sku: Sku) -> Product:
        """Return one article."""
        found = self._store.one("SELECT * FROM products WHERE sku = ?", sku)
        if found is None:
            raise Refused("not_found", f"there is no article {sku}", sku=sku)
        return Product.model_validate(found)

    def get_price_history(self, sku: Sku) -> History:
        """Return all prices that an article ever had, the oldest first."""
        self.get_product(sku)
        found = self._store.all("SELECT cents, since FROM prices WHERE sku = ? ORDER BY id", sku)
        return History.model_validate({"sku": sku, "prices": found})

    async def reindex(
        self,
        ctx: Context,
        steps: Annotated[int, Field(description="In how many steps to work", ge=1, le=100)] = 5,
        delay_ms: Annotated[int, Field(description="Pause before each step, in milliseconds", ge=0, le=5000)] = 100,
    ) -> Rebuilt:
        """Build the search index again, slowly, and report each step. Articles stay findable meanwhile."""
        skus = [str(row["sku"]) for row in self._store.all("SELECT sku FROM products ORDER BY sku")]
        for step in range(steps):
            await anyio.sleep(delay_ms / 1000)
            for sku in skus[step::steps]:
                self._index(sku)
            await ctx.report_progress(step + 1, steps, f"step {step + 1} of {steps}")
        total = self._store.one("SELECT count(DISTINCT sku) AS products, count(DISTINCT word) AS words FROM words")
        return Rebuilt.model_validate(total)

    def set_price(
        self, sku: Sku, cents: Annotated[int, Field(description="New price in euro cents", ge=1, le=10_000_000)]
    ) -> Product:
        """Set the price of an article; the old price stays in its history."""
        with self._store.transaction():
            if self.get_product(sku).cents != cents:
                self._store.run("UPDATE products SET cents = ? WHERE sku = ?", cents, sku)
                self._store.run(NEW_PRICE, sku, cents, now())
        return self.get_product(sku)

    def discontinue(self, sku: Sku) -> str:
        """Remove an article and its price history. This cannot be undone."""
        with self._store.transaction():
            name = self.get_product(sku).name
            for table in ("words", "prices", "products"):
                self._store.run(f"DELETE FROM {table} WHERE sku = ?", sku)
        return f"removed {sku}, `{name}`"

    def read_categories(self) -> str:
        """Return the categories, with how many articles each holds."""
        return as_json(self._store.all("SELECT category, count(*) AS products FROM products GROUP BY category"))

    def read_prices(self) -> str:
        """Return the price list as CSV, in euro cents."""
        rows = self._store.all("SELECT sku, cents FROM products ORDER BY sku")
        return "sku,cents\n" + "".join(f"{row['sku']},{row['cents']}\n" for row in rows)

    def read_product(self, sku: str) -> str:
        """Return one article as JSON."""
        found = self._store.one("SELECT * FROM products WHERE sku = ?", sku)
        if found is None:
            raise ResourceNotFoundError(f"there is no article {sku}")
        return as_json(found)

    def _index(self, sku: str) -> None:
        with self._store.transaction():
            self._store.run("DELETE FROM words WHERE sku = ?", sku)
            for row in self._store.all("SELECT name, category FROM products WHERE sku = ?", sku):
                for word in _words(f"{row['name']} {row['category']}"):
                    self._store.run(NEW_WORD, word, sku)


class SessionsOnly:
    """Refuses, as a server of 2025 does, each request of a protocol revision that has no sessions."""

    def __init__(self, app: ASGIApp) -> None:
        """Guard an application that may know more revisions."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer status 400 to an unknown revision, and pass everything else on."""
        asked = Headers(scope=scope).get("mcp-protocol-version") if scope["type"] == "http" else None
        if asked is None or asked in HANDSHAKE_PROTOCOL_VERSIONS:
            await self._app(scope, receive, send)
            return
        message = f"Bad Request: Unsupported protocol version: {asked}"
        error = {"jsonrpc": "2.0", "id": "server-error", "error": {"code": INVALID_REQUEST, "message": message}}
        await JSONResponse(error, status_code=400)(scope, receive, send)


def _words(text: str) -> list[str]:
    return [word for raw in text.lower().split() if (word := raw.strip(".,"))]


def build(catalog: Catalog) -> ExampleServer:
    """Return the server that offers a catalogue."""
    server = ExampleServer("catalog", version="1.0.0", instructions="A shop's articles.", log_level="WARNING")
    server.add_tool(catalog.search_products, annotations=READ)
    server.add_tool(catalog.get_product, annotations=READ)
    server.add_tool(catalog.get_price_history, annotations=READ)
    server.add_tool(catalog.reindex, annotations=SET)
    server.add_tool(catalog.set_price, annotations=SET)
    server.add_tool(catalog.discontinue, annotations=DESTROY, structured_output=False)
    server.resource("catalog://categories", name="categories", mime_type="application/json")(catalog.read_categories)
    server.resource("catalog://prices", name="prices", mime_type="text/csv")(catalog.read_prices)
    server.resource("catalog://products/{sku}", name="product", mime_type="application/json")(catalog.read_product)
    return server


def main() -> None:
    """Serve the catalogue over HTTP until told to stop."""
    where = options("A product catalogue server over streamable HTTP, sessions only.", port=8102)
    words: list[tuple[Value, ...]] = [(word, row[0]) for row in PRODUCTS for word in _words(f"{row[1]} {row[2]}")]
    seed = [(NEW_PRODUCT, list[tuple[Value, ...]](PRODUCTS)), (NEW_PRICE, PRICES), (NEW_WORD, words)]
    store = Store(where.database("catalog"), SCHEMA, seed)
    try:
        serve_http(SessionsOnly(build(Catalog(store)).streamable_http_app(host=where.host)), where)
    finally:
        store.close()


if __name__ == "__main__":
    main()
