"""API keys and tokens that their issuers mark with a prefix."""

import re
from collections.abc import Iterator
from typing import Final

from context0.privacy.report import Finding
from context0.privacy.secret_values import is_placeholder

_LONG: Final = re.compile(r"[\w-]{16}")  # no key is shorter: one quick look at an ordinary message
_KEY: Final = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"sk-(?:ant-|proj-|svcacct-|or-v1-|lf-)?(?=[A-Za-z_-]{0,40}[0-9])[A-Za-z0-9_-]{16,}+"  # OpenAI and others
    r"|(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}+|whsec_[A-Za-z0-9+/]{24,}+"  # Stripe
    r"|gh[pousr]_[A-Za-z0-9]{30,}+|github_pat_[A-Za-z0-9_]{22,}+|gl(?:pat|rt|dt|ptt)-[A-Za-z0-9_-]{20,}+"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}+"  # AWS
    r"|AIza[A-Za-z0-9_-]{35}+|ya29\.[A-Za-z0-9_-]{20,}+|GOCSPX-[A-Za-z0-9_-]{20,}+"  # Google
    r"|xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{20,}+"  # Slack
    r"|hf_[A-Za-z0-9]{30,}+|npm_[A-Za-z0-9]{36}+|pypi-[A-Za-z0-9_-]{50,}+|dckr_pat_[A-Za-z0-9_-]{20,}+"
    r"|SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+"  # SendGrid
    r"|key-[0-9a-f]{32}+|(?:AC|SK)[0-9a-f]{32}+"  # Mailgun, Twilio
    r"|do[opr]_v1_[0-9a-f]{64}+|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}+|dapi[0-9a-f]{32}+|gsk_[A-Za-z0-9]{40,}+"
    r"|r8_[A-Za-z0-9]{30,}+|pplx-[A-Za-z0-9]{30,}+|lin_api_[A-Za-z0-9]{30,}+"
    r"|sbp_[0-9a-f]{40}+|pscale_[a-z]{2,8}_[\w.-]{30,}+"
    r"|(?:ntn|secret)_[A-Za-z0-9]{40,}+|AGE-SECRET-KEY-1[A-Z0-9]{50,}+|[0-9]{8,10}:AA[A-Za-z0-9_-]{33}+"  # …, Telegram
    r"|pc(?:sk|ak)_[A-Za-z0-9_]{30,}+|nvapi-[A-Za-z0-9_-]{40,}+|xai-[A-Za-z0-9]{40,}+|figd_[A-Za-z0-9_-]{30,}+"
    r")"
)
_WEBHOOK: Final = re.compile(r"hooks\.slack\.com/services/(T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{20,40})")


def find_issued_keys(text: str) -> Iterator[Finding]:
    if _LONG.search(text) is None:
        return
    for match in _KEY.finditer(text):
        if not is_placeholder(match.group()):
            yield Finding(kind="api_key", span=match.span())
    for match in _WEBHOOK.finditer(text):
        yield Finding(kind="api_key", span=match.span(1))
