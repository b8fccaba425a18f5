"""Attacks on signing in, as rows: nobody's consent ends up under another caller's name, and each refusal is recorded.

Ann's client was given a link. After each attack nothing is kept, and Ann can still sign in: the permitted twin
(to the end in test_sign_in.py).
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
import pytest
from people import leads, query, robots_token, signing


@pytest.fixture(autouse=True)
def seal(monkeypatch):
    monkeypatch.setenv("MESH_SEAL", "a seal key of the tests")


@dataclass(frozen=True)
class Attack:
    """``act`` gets the ground and returns the page that refuses, or what it could not get; ``why`` is what is recorded."""

    name: str
    act: object
    why: str
    status: int = 403

    def __str__(self):
        return self.name.replace(" ", "-")


ROWS = []


def attack(why, status=403):
    """A row: its name is the function's."""

    def add(act):
        ROWS.append(Attack(act.__name__.replace("_", " "), act, why, status))
        return act

    return add


async def begun(ground, key="ann", person="ann@as"):
    """A caller who has got as far as the authorization server: the browser, and where it leads."""
    browser = ground.browser(person)
    return browser, await browser.begin(await ground.link(key), f"secret-{key}")


# A link that is not one's own.


@attack("sign_in_wrong_secret")
async def bob_opens_anns_link_and_proves_to_be_bob(ground):
    return await ground.browser("bob@as").prove(await ground.link(), "secret-bob")


@attack("sign_in_wrong_secret")
async def bob_opens_anns_link_and_knows_no_secret(ground):
    return await ground.browser("bob@as").prove(await ground.link(), "guess")


@attack("sign_in_wrong_secret")
async def bob_who_has_proved_to_be_bob_opens_anns_link(ground):
    browser = ground.browser("bob@as")
    await browser.begin(await ground.link("bob"), "secret-bob")
    return await browser.prove(await ground.link(), "secret-bob")


@attack("sign_in_link_of_another_caller")
async def somebody_else_of_the_issuer_opens_the_robots_link(ground):
    token = await robots_token(ground.issuer, site_of(ground))
    return await ground.browser("mallory").go(await ground.link(token=token))


@attack("sign_in_link_broken", 400)
async def a_link_is_changed(ground):
    link = await ground.link()
    return await ground.browser("bob@as").go(link[:-3] + ("AAA" if link[-3:] != "AAA" else "BBB"))


@attack("sign_in_link_broken", 400)
async def a_state_is_used_as_a_link(ground):
    _, url = await begun(ground)
    return await ground.browser("bob@as").go(f"{site_of(ground)}/connect/{query(url)['state']}")


@attack("sign_in_link_expired", 400)
async def a_link_is_opened_too_late(ground):
    link = await ground.link()
    ground.late = 601
    return await ground.browser("ann@as").go(link)


# A browser that is not the one.


@attack("sign_in_state_broken", 400)
async def bob_consents_at_the_address_that_anns_browser_was_sent_to(ground):
    _, url = await begun(ground)
    victim = ground.browser("bob@as")
    return await victim.go(await victim.consent(url))


@attack("sign_in_state_broken", 400)
async def bobs_consent_is_brought_back_by_anns_browser(ground):
    attacker, _ = await begun(ground)
    victim, url = await begun(ground, "bob", "bob@as")
    return await attacker.client.get(await victim.consent(url))


@attack("sign_in_state_broken", 400)
async def anns_consent_is_forced_on_bobs_browser(ground):
    attacker, url = await begun(ground)
    victim, _ = await begun(ground, "bob", "bob@as")
    return await victim.client.get(await attacker.consent(url))


@attack("sign_in_another_caller_came_back")
async def the_caller_at_the_browser_changes_before_it_comes_back(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    await browser.begin(await ground.link("bob"), "secret-bob")
    return await browser.client.get(back)


@attack("sign_in_another_caller_came_back")
async def the_proof_is_taken_away_before_it_comes_back(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    browser.client.cookies.delete("mesh-who")
    return await browser.client.get(back)


@attack("sign_in_wrong_secret")
async def a_proof_is_carried_into_another_browser(ground):
    browser, _ = await begun(ground)
    thief = ground.browser("bob@as")
    link = await ground.link()
    await thief.go(link)
    thief.client.cookies.set("mesh-who", browser.client.cookies["mesh-who"], domain="127.0.0.1")
    return await thief.prove(link, "guess")


@attack("sign_in_state_broken", 400)
async def a_cookie_is_planted_beside_the_browsers_own(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    own = browser.client.cookies["mesh-browser"]
    return await plain(back, cookie=f"mesh-browser={'A' * 43}; mesh-browser={own}")


@attack("sign_in_state_broken", 400)
async def the_robots_login_is_forced_on_bobs_browser(ground):
    token = await robots_token(ground.issuer, site_of(ground))
    attacker, victim = ground.browser("robot"), ground.browser("bob@as")
    await victim.go(await ground.link("bob"))
    back = await attacker.go(await ground.link(token=token), until="/connect/login/")
    return await victim.client.get(back)


# A form that is not ours.


@attack("foreign_origin")
async def a_form_of_another_site_makes_the_victim_the_attacker(ground):
    return await ground.browser("bob@as").prove(await ground.link(), "secret-ann", origin="https://evil.example")


@attack("sign_in_foreign_form")
async def a_form_that_says_not_where_it_is_from(ground):
    return await ground.browser("bob@as").prove(await ground.link(), "secret-ann", origin=None)


@attack("sign_in_foreign_form")
async def a_form_with_the_ticket_of_another_browser(ground):
    link, attacker = await ground.link(), ground.browser("ann@as")
    ticket = (await attacker.go(link)).text.split('name="ticket" value="')[1].split('"')[0]
    return await ground.browser("bob@as").prove(link, "secret-ann", ticket=ticket)


@attack("sign_in_foreign_form")
async def a_form_from_a_browser_without_cookies(ground):
    link = await ground.link()
    return await plain(link, method="POST", origin=site_of(ground), content=b"secret=secret-ann&ticket=x")


@attack("sign_in_wrong_secret")
async def the_local_secret_through_a_proxy(ground):
    link = await ground.link(token=LOCAL)
    browser = ground.browser("bob@as")
    browser.client.headers["x-forwarded-for"] = "203.0.113.7"
    return await browser.prove(link, LOCAL)


# A code, a state or an issuer that is not the one.


@attack("sign_in_state_used", 400)
async def an_answer_is_sent_twice(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    assert (await browser.client.get(back)).status_code == 200
    ground.files()[0].unlink()
    return await browser.client.get(back)


@attack("sign_in_state_expired", 400)
async def an_answer_comes_too_late(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    ground.late = 601
    return await browser.client.get(back)


@attack("sign_in_state_broken", 400)
async def an_answer_without_a_state(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    return await browser.client.get(changed(back, state=None))


@attack("sign_in_state_broken", 400)
async def an_answer_with_a_link_for_a_state(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    return await browser.client.get(changed(back, state=(await ground.link()).rpartition("/")[2]))


@attack("sign_in_state_broken", 400)
async def an_answer_with_the_state_of_a_login(ground):
    token = await robots_token(ground.issuer, site_of(ground))
    browser, url = await begun(ground)
    back = await browser.consent(url)
    login = await browser.go(await ground.link(token=token), until="/auth")
    return await browser.client.get(changed(back, state=query(login)["state"]))


@attack("sign_in_no_token", 502)
async def the_code_of_bobs_consent_is_put_into_anns_answer(ground):
    victim, theirs = await begun(ground, "bob", "bob@as")
    code = query(await victim.consent(theirs))["code"]
    attacker, url = await begun(ground)
    return await attacker.client.get(changed(await attacker.consent(url), code=code))


@attack("sign_in_no_token", 502)
async def a_code_that_nobody_made(ground):
    browser, url = await begun(ground)
    return await browser.client.get(changed(await browser.consent(url), code="made-up"))


@attack("sign_in_other_issuer", 400)
async def an_answer_of_another_issuer(ground):
    browser, url = await begun(ground)
    return await browser.client.get(changed(await browser.consent(url), iss="https://evil.example"))


@attack("sign_in_other_issuer", 400)
async def an_answer_that_does_not_name_the_issuer_which_says_that_it_does(ground):
    browser, url = await begun(ground)
    return await browser.client.get(changed(await browser.consent(url), iss=None))


@attack("sign_in_refused", 400)
async def a_refusal_with_markup_for_an_error(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    page = await browser.client.get(changed(back, code=None, error="<script>alert(1)</script>"))
    assert "<script" not in page.text
    return page


@attack("sign_in_unreadable", 400)
async def an_answer_with_two_states(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    return await browser.client.get(f"{back}&state=x")


# A place that is not ours.


@attack("sign_in_no_such_page", 404)
async def an_answer_for_a_server_that_nobody_signs_in_to(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    return await browser.client.get(back.replace("/callback/notes", "/callback/other"))


@attack("sign_in_no_such_page", 404)
async def an_answer_to_a_path_below_ours(ground):
    browser, url = await begun(ground)
    back = await browser.consent(url)
    return await browser.client.get(back.replace("/callback/notes", "/callback/notes/more"))


@attack("foreign_host", 421)
async def a_link_under_a_foreign_host(ground):
    return await plain(await ground.link(), host="evil.example")


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_an_attack_keeps_nothing_and_the_caller_still_can(row, provider, tmp_path):
    async with signing(provider, tmp_path) as ground:
        answer = await row.act(ground)
        assert answer.status_code == row.status, answer.text
        assert ground.reasons == [row.why]
        assert ground.files() == []
        assert ground.guarded.seen == []
        ground.late = 0
        browser = ground.browser("ann@as")
        assert (await browser.begin(await ground.link(), "secret-ann")).startswith(ground.issuer)


async def test_nothing_in_a_request_says_where_a_browser_is_sent(provider, tmp_path):
    async with signing(provider, tmp_path) as ground:
        link, browser = await ground.link(), ground.browser("ann@as")
        await browser.prove(link, "secret-ann")
        more = "?redirect_uri=https://evil.example&next=https://evil.example&iss=https://evil.example"
        page = await browser.client.get(link + more, headers={"referer": "https://evil.example"})
        url = leads(page)
        assert url.startswith(f"{ground.issuer}/")
        assert "evil" not in page.text + url
        proved = await ground.browser("ann@as").prove(link + more, "secret-ann")
        assert urlsplit(proved.headers["location"]).netloc == f"127.0.0.1:{ground.site.port}"


async def test_a_sealed_file_in_anothers_place_opens_for_nobody(provider, tmp_path):
    async with signing(provider, tmp_path) as ground:
        await ground.sign_in()
        (path,) = ground.files()
        bobs = path.with_name(ground.holder("key", "bob").name)
        bobs.write_bytes(path.read_bytes())
        assert (await ground.call("bob"))["result"]["resultType"] == "input_required"
        assert [sub for _, sub in ground.guarded.seen] == []


LOCAL = "mesh-local-" + "x" * 32


def site_of(ground):
    return f"http://127.0.0.1:{ground.site.port}"


def changed(url, **fields):
    """The address with other values in its query; ``None`` takes one away."""
    front, _, _ = url.partition("?")
    found = {name: value for name, value in (query(url) | fields).items() if value is not None}
    return str(httpx2.URL(front, params=found))


async def plain(url, *, method="GET", content=None, **headers):
    """A request with nothing but what is said here."""
    async with httpx2.AsyncClient() as client:
        return await client.request(method, url, headers=headers, content=content)
