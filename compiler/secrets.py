"""What looks like a secret, by the name it has or by its shape; it errs towards yes, since a reference is harmless."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_NAMES: Final = frozenset(
    re.findall(
        r"\S+",
        "token tokens key keys apikey apikeys secret secrets password passwords passwd passphrase pwd pass pw pat jwt "
        "authorization cookie cookies credential credentials cred creds bearer session signature dsn accesskey "
        "secretkey authtoken accesstoken privatekey connectionstring webhook otp pin",
    )
)
_ENDINGS: Final = frozenset(("auth",))
_ABOUT: Final = frozenset(
    re.findall(
        r"\S+",
        "file path dir directory url uri endpoint host port name type mode method region ttl timeout limit count max min "
        "size length budget expiry expires audience issuer scope scopes enabled header",
    )
)
_PREFIXES: Final = re.findall(
    r"\S+",
    "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- sk- sk_ rk_ pk- xoxa- xoxb- xoxe- xoxp- xoxr- xoxs- xapp- AKIA ASIA AIza "
    "ya29. npm_ pypi- hf_ dckr_pat_ dckr_oat_ SG. lin_api_ lin_oauth_ ntn_ secret_ shpat_ shpss_ dop_v1_ hvs. hvb. "
    "tvly- fc- r8_ gsk_ nvapi- whsec_ xai- ATATT3 tskey- sbp_ figd_ apify_api_ ctx7sk pul- PMAK- key- pat- lsv2_ rnd_ "
    "BSA eyJ dapi ddp_ phx_ phc_ sntrys_ sntryu_ nfp_ vcp_ cfut_ glc_ glsa_",
)
_PREFIXED: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:" + "|".join(map(re.escape, _PREFIXES)) + r")(?=[A-Za-z0-9_\-.]*[0-9A-Z])[A-Za-z0-9_\-.]{8,}"
)
_ARMOUR: Final = re.compile(r"-----BEGIN [A-Z ]+-----")
_SCHEME: Final = re.compile(r"(?i)\b(?:bearer|basic|token|apikey)[ :=]+[^\s$<{]{6,}")
_USERINFO: Final = re.compile(r"//[^\s/@:?#]*:[^\s/@?#]+@")
_ASSIGNED: Final = re.compile(r"([A-Za-z][A-Za-z0-9_\-.]*)\s*=\s*([^\s;&,]+)")
_UUID: Final = re.compile(r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
_DIGEST: Final = re.compile(r"(?<=[@#])[0-9a-f]{40}\b|\b(?:sha256:[0-9a-f]{64}|sha512-[A-Za-z0-9+/=]{86,88})")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_+=\-]{20,}")
_WORDY: Final = re.compile(r"(?:[A-Za-z]?[a-z]{1,17}|[A-Z]{1,12}|v?[0-9]{1,8}|[a-z]{1,12}[0-9]{1,3})")
_SIMPLE: Final = re.compile(r"(?i)(?:true|false|yes|no|on|off|none|null|default|auto|basic|oauth2?|bearer|[0-9]{1,3})")
_CAMEL: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def name_is_secret(name: str, value: str = "") -> bool:
    """Tell whether a key, header, flag or parameter of this name holds a secret; a plain number may be a limit."""
    parts = [part.lower() for part in _CAMEL.findall(name)]
    if not parts:
        return False
    joined = "".join(parts)
    named = bool(_NAMES.intersection(parts)) or parts[-1] in _ENDINGS or any(joined.endswith(end) for end in _LONG)
    if not named:
        return False
    if parts[-1] in _ABOUT or (_ABOUT.intersection(parts) and value.isdigit()):
        return False
    return not (value and _SIMPLE.fullmatch(value))


_LONG: Final = tuple(name for name in _NAMES if len(name) >= 6)


def value_is_secret(value: str) -> bool:
    """Tell whether a text has the shape of a credential, or holds one."""
    bare = _DIGEST.sub("", value)
    if any(shape.search(bare) for shape in (_PREFIXED, _ARMOUR, _SCHEME, _USERINFO, _UUID)):
        return True
    if any(name_is_secret(name, held) and len(held) > 3 for name, held in _ASSIGNED.findall(bare)):
        return True
    return any(_is_random(token) for token in _TOKEN.findall(bare))


def is_secret(name: str, value: str) -> bool:
    """Tell whether a named value is one, by its name or its shape."""
    return name_is_secret(name, value) or value_is_secret(value)


def of_url(url: str) -> str:
    """Say where a URL carries a secret outside its userinfo, or return nothing; raises ValueError for no URL."""
    parts = urlsplit(url)
    if _PREFIXED.search(parts.netloc.rpartition("@")[2]):
        return "its host"
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if is_secret(name, value):
            return "its query"
    if value_is_secret(parts.path):
        return "its path"
    return "its fragment" if parts.fragment and value_is_secret(parts.fragment) else ""


def _is_random(token: str) -> bool:
    segments = [segment for segment in re.split(r"[_+=\-]", token) if segment]
    if all(_WORDY.fullmatch(segment) for segment in segments):
        return False
    upper = sum(char.isupper() for char in token)
    lower = sum(char.islower() for char in token)
    mixed = any(char.isdigit() for char in token) and upper + lower > 0
    alternating = min(upper, lower) * 4 >= len(token)
    return (mixed or alternating) and _entropy(token) >= 3.0


def _entropy(text: str) -> float:
    """Return Shannon's entropy in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
