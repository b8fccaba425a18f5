"""An HTTP API that is no MCP server: FastAPI makes its OpenAPI document; `--document` prints it, else it serves."""

import json
import sys
from typing import Annotated, Literal

import uvicorn
from fastapi import Cookie, FastAPI, Form, Header, HTTPException, Query, Request, Response
from pydantic import BaseModel

app = FastAPI(title="Stock", version="1.2")
ITEMS = {"a/b": {"id": "a/b", "name": "Ångström", "count": 12345678901234567890}}
SEEN: list[dict] = []


class Item(BaseModel):
    name: str
    count: int
    tags: list[str] = []
    parent: "Item | None" = None


@app.middleware("http")
async def record(request: Request, call_next):
    SEEN.append({"method": request.method, "url": str(request.url.path), "key": request.headers.get("x-key")})
    return await call_next(request)


@app.get("/items/{item_id:path}", operation_id="get_item", summary="One item")
def get_item(item_id: str):
    if item_id not in ITEMS:
        raise HTTPException(404, f"there is no {item_id}")
    return ITEMS[item_id]


@app.get("/items", operation_id="list_items")
def list_items(
    tag: Annotated[list[str] | None, Query()] = None,
    order: Literal["asc", "desc"] = "asc",
    x_trace: Annotated[str | None, Header()] = None,
    flavour: Annotated[str | None, Cookie()] = None,
):
    return {"tag": tag, "order": order, "trace": x_trace, "flavour": flavour}


@app.post("/items", operation_id="create_item", status_code=201)
def create_item(item: Item):
    return {"created": item.model_dump()}


@app.post("/login", operation_id="login")
def login(user: Annotated[str, Form()], roles: Annotated[list[str], Form()]):
    return {"user": user, "roles": roles}


@app.delete("/items/{item_id}", operation_id="delete_item", status_code=204)
def delete_item(item_id: str):
    return Response(status_code=204)


@app.get("/picture", operation_id="picture")
def picture():
    return Response(b"\x89PNG", media_type="image/png")


@app.get("/elsewhere", operation_id="elsewhere")
def elsewhere():
    return Response(status_code=302, headers={"location": "http://127.0.0.1:9/"})


@app.get("/seen", operation_id="seen")
def seen():
    return {"requests": SEEN}


if __name__ == "__main__":
    if sys.argv[1] == "--document":
        print(json.dumps(app.openapi()))
    else:
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
