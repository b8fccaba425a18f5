"""Globs: two wildcards and no other magic."""

from __future__ import annotations


def glob_match(pattern: str, text: str) -> bool:
    """``*`` matches any run of characters, ``?`` exactly one; linear in practice, no other magic, case counts."""
    body = pattern.removesuffix("*")
    if "*" not in body and "?" not in body:
        return text.startswith(body) if len(body) < len(pattern) else text == body
    p = t = 0
    star, resume = -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star, resume = p, t
            p += 1
        elif p < len(pattern) and pattern[p] in ("?", text[t]):
            p, t = p + 1, t + 1
        elif star >= 0:
            resume += 1
            p, t = star + 1, resume
        else:
            return False
    return all(char == "*" for char in pattern[p:])
