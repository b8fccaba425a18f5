"""Calibrates and judges schemas/tokens.py against a real vocabulary (bpe-openai, which ships its own); nothing else needs one.

    python bench/tokens.py CORPUS.jsonl            # weights, and the error on servers that were held out
    python bench/tokens.py --record SAMPLE.json    # true counts of the tests' sample

CORPUS has a tool a line: server, name, description, inputSchema.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bpe_openai

from meshplan.compiler.tokens import tool_tokens
from meshplan.schemas import jsontext
from meshplan.schemas.tokens import CLASSES, WEIGHTS, class_counts

LOCKS = Path(__file__).parent.parent / "mesh.lock"
FOLDS = 5
COUNTED = ("name", "description", "inputSchema")
LANGUAGES = {
    "French": "Renvoie la liste des tickets ouverts d'un client, triés par date de création; les tickets archivés ne sont pas renvoyés à moins que l'option soit activée.",
    "German": "Gibt die Liste der offenen Vorgänge eines Kunden zurück, sortiert nach Änderungsdatum; archivierte Einträge werden nur auf ausdrücklichen Wunsch übergeben.",
    "Spanish": "Devuelve la lista de incidencias abiertas de un cliente, ordenada según su fecha de creación; no incluye las que están archivadas, salvo petición explícita.",
    "Polish": "Zwraca listę otwartych zgłoszeń klienta, uporządkowaną według daty utworzenia; zgłoszenia zarchiwizowane są pomijane, chyba że włączono odpowiednią opcję.",
    "Vietnamese": "Trả về danh sách các yêu cầu đang mở của khách hàng, sắp xếp theo ngày tạo; những yêu cầu đã lưu trữ sẽ không được trả về trừ khi bật tùy chọn này.",
    "Russian": "Возвращает список открытых обращений клиента, упорядоченный по дате создания; архивные обращения не включаются, если это не указано явно.",
    "Greek": "Επιστρέφει τη λίστα των ανοικτών αιτημάτων ενός πελάτη, ταξινομημένη κατά ημερομηνία· τα αρχειοθετημένα αιτήματα παραλείπονται.",
    "Arabic": "يعيد قائمة الطلبات المفتوحة للعميل مرتبة حسب تاريخ الإنشاء، ولا تشمل الطلبات المؤرشفة إلا إذا طلب ذلك صراحة.",
    "Hebrew": "מחזיר את רשימת הפניות הפתוחות של לקוח, ממוינת לפי תאריך היצירה; פניות שהועברו לארכיון אינן נכללות אלא אם התבקש במפורש.",
    "Hindi": "ग्राहक के खुले टिकटों की सूची लौटाता है, बनाने की तारीख के क्रम में; संग्रहीत टिकट तब तक शामिल नहीं होते जब तक स्पष्ट रूप से न माँगा जाए।",
    "Thai": "ส่งคืนรายการคำขอที่เปิดอยู่ของลูกค้า เรียงตามวันที่สร้าง โดยไม่รวมคำขอที่เก็บถาวรแล้ว เว้นแต่จะระบุไว้อย่างชัดเจน",
    "Chinese": "返回客户的未结工单列表、按创建日期排序。除非明确要求、否则不包括已归档的工单。查询结果最多返回一百条记录。",
    "Japanese": "顧客の未解決チケットの一覧を作成日順に返します。明示的に要求しない限り、アーカイブ済みのチケットは含まれません。",
    "Korean": "고객의 미해결 티켓 목록을 생성일 순으로 반환합니다. 명시적으로 요청하지 않는 한 보관된 티켓은 포함되지 않습니다.",
    "symbols": "Moves a card → another column… ✅ done, ⚠️ blocked, 🚀 shipped, 🗑️ removed — “quoted”, ≤ 10 → 20 € • 100 % ± 2 °C",
}
"""One sentence a script, where the corpus has none: half of each calibrates, the other half is in the tests' sample."""


def three_fields(tool: dict[str, Any]) -> str:
    return jsontext.canonical({key: tool[key] for key in COUNTED if key in tool})


def halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def spoken(half: int) -> list[tuple[str, str]]:
    """A tool for each language, as (server, JSON)."""
    schema = {"type": "object", "properties": {"id": {"type": "string"}}}
    return [
        (f"in {name}", three_fields({"name": "list_tickets", "description": halves(text)[half], "inputSchema": schema}))
        for name, text in LANGUAGES.items()
    ]


def corpus(path: str) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [(row["server"], three_fields(row)) for row in rows]


def fitted(rows: Sequence[tuple[Sequence[int], int]]) -> list[float]:
    """Weights that are not negative, by coordinate descent; an error counts relative to the size of the tool."""
    size = len(rows[0][0])
    weighted = [(x, y, y**-1.5) for x, y in rows]
    square = [[sum(w * x[i] * x[j] for x, _, w in weighted) for j in range(size)] for i in range(size)]
    right = [sum(w * x[i] * y for x, y, w in weighted) for i in range(size)]
    weights = [0.0] * size
    for _ in range(3000):
        for i in range(size):
            if square[i][i]:
                rest = right[i] - sum(square[i][j] * weights[j] for j in range(size))
                weights[i] = max(0.0, weights[i] + rest / square[i][i])
    return weights


def applied(weights: Iterable[float], counts: Iterable[int]) -> float:
    return sum(weight * count for weight, count in zip(weights, counts, strict=True))


def quantiles(errors: Iterable[float]) -> str:
    found = sorted(errors)
    at = [found[len(found) // 2], found[int(len(found) * 0.95)], found[-1]]
    return "median {:.1%}, 95% within {:.1%}, worst {:.1%}".format(*at)


def judge(title: str, names: Sequence[str], guessed: Sequence[float], true: Sequence[int]) -> None:
    """Relative errors of single tools, and of the lists that 1,000 random sets of servers make."""
    print(f"{title}: all together {sum(guessed) / sum(true) - 1:+.1%}")
    print(f"  one tool     {quantiles(abs(g / t - 1) for g, t in zip(guessed, true, strict=True))}")
    servers: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        servers.setdefault(name, []).append(index)
    pick = random.Random(1)
    for count in (1, 3, 10, 30):
        lists = [[i for s in pick.sample(sorted(servers), count) for i in servers[s]] for _ in range(1000)]
        errors = (abs(sum(guessed[i] for i in chosen) / sum(true[i] for i in chosen) - 1) for chosen in lists)
        print(f"  {count:>2} server{'s' if count > 1 else ' '}   {quantiles(errors)}")


def held_out(names: Sequence[str], rows: Sequence[tuple[Sequence[int], int]], always: Sequence[Any]) -> list[float]:
    """Each server's tools judged by weights that were fitted without that server."""
    order = sorted(set(names))
    random.Random(7).shuffle(order)
    guessed = [0.0] * len(rows)
    for fold in range(FOLDS):
        out = set(order[fold::FOLDS])
        kept = [row for row, name in zip(rows, names, strict=True) if name not in out]
        weights = fitted([*kept, *always])
        for index, name in enumerate(names):
            if name in out:
                guessed[index] = applied(weights, rows[index][0])
    return guessed


def counter(encoding: str) -> Callable[[str], int]:
    found = bpe_openai.get_encoding(encoding)
    return lambda text: len(found.encode(text))


def calibrate(path: str) -> None:
    tools, always = corpus(path), spoken(0)
    count, other = counter("o200k_base"), counter("cl100k_base")
    names = [name for name, _ in tools]
    rows = [(class_counts(text), count(text)) for _, text in tools]
    extra = [(class_counts(text), count(text)) for _, text in always for _ in range(3)]
    weights = fitted([*rows, *extra])
    print("thousandths of a token a character (in the code):")
    for name, weight, old in zip(("lower", "blanks", *CLASSES), weights, WEIGHTS, strict=True):
        print(f"  {name:<12} {round(weight * 1000):>5} ({old})")
    true = [y for _, y in rows]
    guessed = held_out(names, rows, extra)
    judge("o200k_base, servers held out", names, guessed, true)
    judge("cl100k_base, servers held out", names, guessed, [other(text) for _, text in tools])
    judge("characters / 4", names, [len(text) / 4 for _, text in tools], true)


VERBS = ("get", "list", "create", "update", "delete", "search", "export", "archive", "assign", "merge")
NOUNS = ("invoice", "repository", "pull request", "customer", "calendar event", "deployment", "secret", "dashboard")
CLAUSES = (
    "Returns at most 100 results a page; give `cursor` to go on.",
    "Use this only after the user has confirmed, since it cannot be undone.",
    'For example: {"owner": "acme", "limit": 10}.',
    "Dates are ISO 8601 in UTC, such as 2026-11-22T09:00:00Z.",
    "See https://docs.example.com/api/v2/reference#filters for the filter syntax.",
    "Requires the scope `items:write`.\n\nErrors:\n- 404: there is no such item\n- 409: somebody else changed it",
    "Performs semantic retrieval across indexed documents, ranked by relevance.",
)


def parameter(pick: random.Random) -> dict[str, Any]:
    noun = pick.choice(NOUNS)
    kinds: tuple[dict[str, Any], ...] = (
        {"type": "string", "description": f"The {noun}'s identifier"},
        {"type": "integer", "minimum": 1, "maximum": pick.choice((50, 100, 1000)), "default": 20},
        {"type": "boolean", "default": False, "title": f"Include {noun}s"},
        {"type": "string", "enum": ["open", "closed", "in_progress", "all"]},
        {"type": "array", "items": {"type": "string"}, "description": f"Labels of the {noun}"},
        {"type": "string", "format": "date-time"},
        {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        {"type": "object", "properties": {"field": {"type": "string"}, "op": {"enum": ["eq", "ne", "gt"]}}},
    )
    return pick.choice(kinds)


def generated(pick: random.Random) -> dict[str, Any]:
    """A tool as upstreams write them: snake or camel case, terse or wordy, flat or nested."""
    verb, noun = pick.choice(VERBS), pick.choice(NOUNS)
    words = f"{verb} {noun}".split()
    name = "_".join(words) if pick.random() < 0.7 else words[0] + "".join(w.title() for w in words[1:])
    keys = pick.sample(("id", "owner", "pageSize", "cursor", "filter", "start_date", "labels", "dry_run", "teamId"), 9)
    properties = {key: parameter(pick) for key in keys[: pick.randrange(8)]}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if properties:
        schema["required"] = sorted(properties)[:2]
    sentence = f"{verb.title()} a {noun} of the current workspace."
    text = " ".join([sentence, *pick.sample(CLAUSES, pick.randrange(4))])
    return {"name": name, "description": text, "inputSchema": schema}


def record(path: str) -> None:
    """The sample of the tests: the example's own tools, generated ones, and one a language, with true counts."""
    pick = random.Random(20261122)
    tools = [("generated", three_fields(generated(pick))) for _ in range(40)] + spoken(1)
    for lock in sorted(LOCKS.glob("*.json")):
        found = json.loads(lock.read_text(encoding="utf-8"))["tools"].values()
        tools += [("example", three_fields(entry["definition"])) for entry in found]
    count, other = counter("o200k_base"), counter("cl100k_base")
    provenance = (
        f"python bench/tokens.py --record, with bpe-openai {version('bpe-openai')}: tools of mesh.lock, "
        "of the generator there (seed 20261122), and the second halves of its sentences"
    )
    lines = [
        jsontext.canonical({"from": o, "o200k_base": count(t), "cl100k_base": other(t), "tool": json.loads(t)})
        for o, t in tools
    ]
    body = ",\n".join(lines)
    Path(path).write_text(f'{{"provenance": {json.dumps(provenance)},\n"tools": [\n{body}\n]}}\n', encoding="utf-8")
    own = [(origin, tool_tokens(text), count(text)) for origin, text in tools]
    for kind in ("example", "generated"):
        guessed = [(g, t) for origin, g, t in own if origin == kind]
        whole = sum(g for g, _ in guessed) / sum(t for _, t in guessed) - 1
        print(f"{kind}: together {whole:+.1%}, {quantiles(abs(g / t - 1) for g, t in guessed)}")
    for origin, guess, true in own:
        if origin.startswith("in "):
            print(f"{origin:<14} {guess:>4} {true:>4} {guess / true - 1:+.1%}")


def main() -> None:
    match sys.argv[1:]:
        case ["--record", path]:
            record(path)
        case [path]:
            calibrate(path)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
