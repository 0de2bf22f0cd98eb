"""What an attacker tries by forged requests, sessions and the login: nothing of it lets anybody in."""

from __future__ import annotations

import re
import sqlite3

import pytest
from attackers import account_with_case, events
from browsers import PORTAL
from portal import app
from servicecert_schemas import Assurance

NOBODYS = "00000000-0000-4000-8000-000000000000"


# Forged requests


@pytest.mark.parametrize(
    "path",
    [
        "/sv/logout",
        "/sv/accounts/new",
        "/sv/accounts/{account}",
        "/sv/accounts/{account}/apply/server/care-provider",
        "/sv/cases/{case}",
        "/sv/cases/{case}/revocation",
    ],
)
async def test_a_form_without_the_sessions_token_does_nothing(site, colleague, path):
    account, case = await account_with_case(colleague)
    await site.show(case, account, 1, "delivered", revocation=None)
    stranger = site.browser()
    await stranger.login("taru")
    await stranger.get("/sv/accounts/new")
    sent = await events(site)
    for token in (None, "", "x", stranger.token):
        data = {"act": "withdraw", "serial": "1", "reason": "key-exposed"} | ({} if token is None else {"csrf": token})
        page = await colleague.client.post(path.format(account=account, case=case), data=data)
        assert page.status_code == 403
    assert await events(site) == sent


async def test_every_page_that_changes_something_is_among_those_tried():
    routes = {route.path for route in app.PAGES if "POST" in route.methods}
    assert len(routes) == 7  # The six above, and invitations, which need a secret of their own.


async def test_a_link_cannot_log_out(site, colleague):
    assert (await colleague.get("/sv/logout")).status_code == 405
    assert "Saga" in (await colleague.get("/sv/")).text


# Sessions


async def test_a_session_that_was_known_before_the_login_is_worth_nothing_after_it(site):
    victim, attacker = site.browser(), site.browser()
    await attacker.client.get("/sv/login", follow_redirects=False)
    fixed = attacker.client.cookies["session"]
    victim.client.cookies.set("session", fixed, domain="portal.test")
    await victim.login("saga")
    assert victim.client.cookies["session"] != fixed
    assert "Saga" not in (await attacker.get("/sv/")).text


async def test_an_invented_session_is_not_taken_over(site):
    browser = site.browser()
    browser.client.cookies.set("session", "invented", domain="portal.test")
    await browser.login("saga")
    assert browser.client.cookies["session"] != "invented"


async def test_a_cookie_is_worth_nothing_after_the_logout(site, colleague):
    cookie = colleague.client.cookies["session"]
    await colleague.get("/sv/")
    await colleague.post("/sv/logout", {})
    thief = site.browser()
    thief.client.cookies.set("session", cookie, domain="portal.test")
    assert "Saga" not in (await thief.get("/sv/")).text


async def test_the_database_has_no_cookie(site, colleague, tmp_path):
    with sqlite3.connect(tmp_path / "portal.sqlite") as database:
        dump = "\n".join(database.iterdump())
    assert "Saga" in dump
    assert colleague.client.cookies["session"] not in dump


@pytest.mark.parametrize(("base_url", "is_secure"), [(PORTAL, False), ("https://portal.test", True)])
async def test_no_script_and_no_other_site_gets_the_cookie(site, base_url, is_secure):
    object.__setattr__(site.portal.settings, "base_url", base_url)
    page = await site.browser().client.get("/sv/login", follow_redirects=False)
    assert {"HttpOnly", "SameSite=Lax"} <= set(page.headers["set-cookie"].split("; "))
    assert ("Secure" in page.headers["set-cookie"].split("; ")) == is_secure


async def test_a_session_that_nobody_uses_ends(site, colleague, tmp_path):
    with sqlite3.connect(tmp_path / "portal.sqlite") as database:
        database.execute("UPDATE sessions SET seen = '2026-01-01T00:00:00+00:00'")
    await colleague.get("/sv/accounts/new", follow_redirects=False)
    assert colleague.page.headers["location"] == "/sv/login?next=/sv/accounts/new"


async def test_a_form_of_a_session_that_has_ended_is_not_taken_and_one_is_told(site, colleague, tmp_path):
    _, case = await account_with_case(colleague)
    sent = await events(site)
    with sqlite3.connect(tmp_path / "portal.sqlite") as database:
        database.execute("DELETE FROM sessions")
    assert (await colleague.post(f"/sv/cases/{case}", {"act": "withdraw"})).status_code == 403
    assert "Din session har avslutats" in colleague.text
    assert await events(site) == sent


async def test_a_busy_session_ends_too(site, colleague, tmp_path):
    with sqlite3.connect(tmp_path / "portal.sqlite") as database:
        database.execute("UPDATE sessions SET begun = '2026-01-01T00:00:00+00:00'")
    assert "Saga" not in (await colleague.get("/sv/")).text


# The login


@pytest.mark.parametrize(
    "target",
    ["https://evil.test/", "//evil.test/", "/\\evil.test/", "/\t/evil.test/", "javascript:alert(1)", "", "/\r\nx: y"],
)
async def test_the_login_leads_to_no_other_site(site, target):
    browser = site.browser()
    await browser.login("saga", back=target)
    assert str(browser.page.url) == f"{PORTAL}/sv/"


async def test_an_attackers_code_logs_nobody_else_in(site):
    attacker, victim = site.browser(), site.browser()
    page = await attacker.get("/sv/login")
    answer = await attacker.client.post(str(page.url), data={"person": "taru", "level": "high"}, follow_redirects=False)
    await victim.get("/sv/login")
    assert (await victim.get(answer.headers["location"])).status_code == 400
    assert "Taru" not in (await victim.get("/sv/")).text


async def test_a_code_works_once(site):
    browser = site.browser()
    page = await browser.get("/sv/login")
    answer = await browser.client.post(str(page.url), data={"person": "saga", "level": "high"}, follow_redirects=False)
    assert (await browser.get(answer.headers["location"])).status_code == 200
    assert (await browser.get(answer.headers["location"])).status_code == 400


@pytest.mark.parametrize(
    "changed", ["redirect_uri=https%3A%2F%2Fevil.test", "client_id=other", "code_challenge_method=plain", "nonce="]
)
async def test_the_provider_serves_this_client_and_address_alone(site, changed):
    browser = site.browser()
    page = await browser.get("/sv/login")
    name = changed.split("=")[0]
    assert (await browser.get(re.sub(rf"{name}=[^&]*", changed, str(page.url)))).status_code == 400


async def test_a_guessed_answer_of_the_provider_logs_nobody_in(site):
    browser = site.browser()
    for query in ("", "?code=x", "?code=x&state=y", "?error=access_denied&error_description=<script>"):
        page = await browser.get(f"/login/callback{query}")
        assert page.status_code == 400
        assert "<script>" not in page.text.replace('<script src="/static/live.js" defer></script>', "")


async def test_A2_who_is_weakly_authenticated_is_told_why_and_can_do_nothing(site):
    browser = site.browser()
    await browser.login("saga", "low")
    for path in ("/sv/", "/sv/accounts/new", f"/sv/cases/{NOBODYS}", f"/attachments/{'0' * 64}"):
        assert (await browser.get(path)).status_code == 403
        assert "eIDAS" in browser.text
    assert (await browser.post("/sv/accounts/new", {"business_id": "9900001-8"})).status_code == 403
    assert await site.publish() == []


async def test_A2_an_unknown_level_counts_as_the_lowest(site, monkeypatch):
    monkeypatch.setattr("portal.login._LEVELS", {"https://loa.test/highest": Assurance.HIGH})
    browser = site.browser()
    await browser.login("saga", "high")
    assert browser.page.status_code == 403


@pytest.mark.parametrize("limits", [{"logins_per_minute": 3}])
async def test_many_logins_in_a_minute_are_stopped(site):
    browser = site.browser()
    pages = [await browser.client.get("/sv/login", follow_redirects=False) for _ in range(5)]
    assert [page.status_code for page in pages] == [302, 302, 302, 429, 429]
    assert pages[-1].headers["retry-after"] == "60"


async def test_an_id_token_of_another_key_is_refused(site, monkeypatch):
    await site.browser().login("saga")
    monkeypatch.setattr("provider.app.jwt.encode", lambda header, claims, key: forged(header, claims))
    browser = site.browser()
    await browser.login("taru")
    assert browser.page.status_code == 400


def forged(header, claims):
    import json

    from joserfc import jws
    from joserfc.jwk import RSAKey

    return jws.serialize_compact(header, json.dumps(claims).encode(), RSAKey.generate_key(2048))
