"""What credentials look like whose shape is certain, for those who look for them in files and in what calls carry."""

from __future__ import annotations

import re
from typing import Final

SHAPES: Final = {
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,}",
    "a GitLab token": r"gl(?:pat|dt|rt|cbt|ptt|oas|soat)-[A-Za-z0-9_\-]{20,}",
    "an API key": r"sk-(?:[a-z0-9]+-)*(?=[A-Za-z0-9_\-]*[0-9])(?=[A-Za-z0-9_\-]*[A-Z])[A-Za-z0-9_\-]{20,}"
    r"|gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}|tvly-[A-Za-z0-9\-]{28,}|lin_api_[A-Za-z0-9]{32,}"
    r"|hf_[A-Za-z]{34}|ntn_[A-Za-z0-9]{40,}|dop_v1_[a-f0-9]{64}|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}"
    r"|SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}|figd_[A-Za-z0-9_\-]{40,}|gl(?:c|sa)_[A-Za-z0-9_=+/]{32,}",
    "a Stripe key": r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{32,}",
    "a Slack token": r"xox[abeoprs]-[0-9]+-[A-Za-z0-9\-]{10,}|xapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-z0-9]{20,}",
    "a Slack webhook": r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,}",
    "an AWS access key": r"(?:AKIA|ASIA)[A-Z2-7]{16}",
    "a Google key": r"AIza[A-Za-z0-9_\-]{35}|ya29\.[A-Za-z0-9_\-]{30,}",
    "a registry token": r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_\-]{50,}|dckr_(?:pat|oat)_[A-Za-z0-9_\-]{20,}",
    "a Vault token": r"hv[sbr]\.[A-Za-z0-9_\-]{24,}",
    "a signed token (JWT)": r"eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}",
    "a private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
}
"""By kind, what its texts look like."""

CERTAIN: Final = re.compile(
    r"(?<![A-Za-z0-9_])(?:" + "|".join(f"(?P<k{at}>{shape})" for at, shape in enumerate(SHAPES.values())) + ")"
)
"""Any of them, in a group of its own, ``k0`` and so on, in the order of ``SHAPES``."""
