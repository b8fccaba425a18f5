"""A user at a browser, who opens the mesh's links: proves to be the caller, consents, and is sent back."""

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx2

HOPS = 10


class Browser:
    """Has cookies of its own; ``refused`` are the pages at which it did not go on."""

    def __init__(self, key):
        self.key, self.refused = key, []

    async def open(self, link):
        """Follow a link to the end; whether the user is signed in then."""
        async with httpx2.AsyncClient(follow_redirects=False, timeout=30) as client:
            page = await self._follow(client, await client.get(link))
            ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
            if ticket is not None:
                parts = urlsplit(link)
                headers = {"origin": f"{parts.scheme}://{parts.netloc}"}
                form = {"secret": self.key, "ticket": ticket[1]}
                page = await self._follow(client, await client.post(link, data=form, headers=headers))
            leads = re.search(r'class="go" href="([^"]+)"', page.text)
            if leads is not None:
                page = await self._follow(client, await client.get(unescape(leads[1])))
        if page.status_code == 200 and "You are signed in" in page.text:
            return True
        self.refused.append(unescape(page.text))
        return False

    async def _follow(self, client, answer):
        for _ in range(HOPS):
            if answer.status_code not in (302, 303):
                return answer
            answer = await client.get(urljoin(str(answer.url), answer.headers["location"]))
        raise SystemExit("too many redirects")


def link_in(error):
    """The link that an error of the mesh asks its user to open, or ``None``."""
    data = error.error.data if isinstance(error.error.data, dict) else {}
    asked = data.get("elicitations") or [data]
    return asked[0].get("url")
