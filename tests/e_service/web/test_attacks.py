"""What an attacker tries at the e-service: nothing of it changes, shows or reveals anything."""

from __future__ import annotations

import re
import sqlite3
from uuid import uuid4

import pytest
from browsers import PORTAL, PROVIDER, SERVER, SYSTEM, Browser, Site
from portal import app, attachments, pages, security
from portal.settings import Settings
from servicecert_schemas import Assurance

NOBODYS = "00000000-0000-4000-8000-000000000000"
PDF = b"%PDF-1.7\n<html><script>alert(1)</script></html>"
SCRIPT = "<script>alert(1)</script>"


async def account_with_case(browser: Browser) -> tuple[str, str]:
    account = await browser.open_account("9900001-8")
    return account, await browser.apply(account)


async def member(site: Site, by: Browser, path: str, data: dict[str, str], person: str = "urho") -> Browser:
    """Return the browser of a person who was invited on a page, and followed the link."""
    link = await by.invited(path, data)
    browser = site.browser()
    await browser.login(person)
    await browser.get(link)
    await browser.post(link, {})
    return browser


async def events(site: Site) -> list[str]:
    return [dict(record.headers)["ce_type"].decode().split(".")[-2] for record in await site.publish()]


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


# Outsiders


@pytest.mark.parametrize("path", ["", "/live", "/certificate.pem", "/certificate.der", "/revocation"])
async def test_A2_an_outsider_cannot_tell_whether_a_case_exists(site, colleague, path):
    account, case = await account_with_case(colleague)
    await site.show(case, account, 1, "delivered", revocation=None)
    outsider = site.browser()
    await outsider.login("taru")
    await outsider.open_account("9900025-3")
    pages = [await outsider.get(f"/sv/cases/{each}{path}") for each in (case, NOBODYS, "nonsense", case.upper())]
    shown = {page.text.replace(str(page.url.path)[3:], "") for page in pages}
    assert {page.status_code for page in pages} == {404}
    assert len(shown) == 1
    data = {"act": "withdraw", "serial": "1", "reason": "key-exposed", "csrf": outsider.token}
    posted = [await outsider.client.post(f"/sv/cases/{each}{path}", data=data) for each in (case, NOBODYS)]
    assert {page.status_code for page in posted} <= {404, 405}


async def test_A2_who_is_not_logged_in_is_led_to_the_login_from_any_case(site, colleague):
    _, case = await account_with_case(colleague)
    stranger = site.browser()
    for each in (case, NOBODYS):
        page = await stranger.client.get(f"/sv/cases/{each}/live", follow_redirects=False)
        assert (page.status_code, page.headers["location"]) == (303, f"/sv/login?next=/sv/cases/{each}/live")


async def test_A2_nobody_enters_or_applies_in_anothers_account(site, colleague):
    account, _ = await account_with_case(colleague)
    outsider = site.browser()
    await outsider.login("taru")
    for each in (account, "account-nobody", "' OR '1'='1"):
        for path in (f"/sv/accounts/{each}", f"/sv/accounts/{each}/apply/server/care-provider"):
            assert (await outsider.get(path)).status_code == 404
            assert (await outsider.post(path, SERVER)).status_code == 404


async def test_A3_a_technical_contact_reaches_that_one_case_only(site, colleague):
    account, case = await account_with_case(colleague)
    other = await colleague.apply(account, once="2")
    contact = await member(site, colleague, f"/sv/cases/{case}", {"act": "invite"})
    assert (await contact.get(f"/sv/cases/{case}")).status_code == 200
    for path in (f"/sv/cases/{other}", f"/sv/accounts/{account}", f"/sv/accounts/{account}/apply"):
        assert (await contact.get(path)).status_code == 404
    assert other not in (await contact.get("/sv/")).text


@pytest.mark.parametrize("act", ["supplement", "withdraw", "invite", "", "revoke"])
@pytest.mark.parametrize("role", ["technical-partner", "technical-contact"])
async def test_A3_who_only_holds_the_key_can_do_nothing_else(site, colleague, act, role):
    account, case = await account_with_case(colleague)
    await site.show(case, account, 1, "returned", ".returned")
    places = {"technical-partner": f"/sv/accounts/{account}", "technical-contact": f"/sv/cases/{case}"}
    partner = await member(site, colleague, places[role], {"role": role, "act": "invite"})
    sent = await events(site)
    await partner.get(f"/sv/cases/{case}")
    assert (await partner.post(f"/sv/cases/{case}", {**SERVER, "act": act})).status_code == 403
    assert await events(site) == sent


async def test_A3_who_only_holds_the_key_cannot_give_another_reason(site, colleague):
    account, case = await account_with_case(colleague)
    await site.show(case, account, 1, "delivered", revocation=None)
    contact = await member(site, colleague, f"/sv/cases/{case}", {"act": "invite"})
    sent = await events(site)
    for reason in ("no-longer-needed", "privilege-withdrawn", "invented"):
        await contact.get(f"/sv/cases/{case}/revocation")
        page = await contact.post(f"/sv/cases/{case}/revocation", {"serial": "1", "reason": reason, "act": "send"})
        assert page.status_code == 422
    assert await events(site) == sent


async def test_an_invitation_works_once_and_cannot_be_guessed(site, colleague):
    account, _ = await account_with_case(colleague)
    link = await colleague.invited(f"/sv/accounts/{account}", {"role": "colleague"})
    first, second = site.browser(), site.browser()
    for browser, person in ((first, "satu"), (second, "taru")):
        await browser.login(person)
    await first.get(link)
    await first.post(link, {})
    for path in (link, link[:-1], "/sv/invitations/x"):
        assert (await second.get(path)).status_code == 404
    assert (await second.get(f"/sv/accounts/{account}")).status_code == 404


async def test_nobody_invites_to_a_role_that_is_not_offered(site, colleague):
    account, _ = await account_with_case(colleague)
    for role in ("operator", "technical-contact", "", "x"):
        await colleague.get(f"/sv/accounts/{account}")
        assert (await colleague.post(f"/sv/accounts/{account}", {"role": role})).status_code == 422
        assert "/invitations/" not in colleague.text


async def test_a_removed_colleague_sees_nothing_and_invites_nobody(site, colleague):
    account, case = await account_with_case(colleague)
    removed = await member(site, colleague, f"/sv/accounts/{account}", {"role": "colleague"}, "satu")
    link = await removed.invited(f"/sv/accounts/{account}", {"role": "colleague"})
    await colleague.get(f"/sv/accounts/{account}")
    user = re.search(r'name="remove" value="([^"]+)"', colleague.text)[1]
    await colleague.post(f"/sv/accounts/{account}", {"remove": user})
    assert (await removed.get(f"/sv/cases/{case}")).status_code == 404
    friend = site.browser()
    await friend.login("impi")
    assert (await friend.get(link)).status_code == 404


async def test_nobody_opens_the_account_of_an_organisation_that_they_do_not_represent(site, colleague):
    await colleague.get("/sv/accounts/new")
    for business_id in ("9900025-3", "", "x"):
        assert (await colleague.post("/sv/accounts/new", {"business_id": business_id})).status_code == 422
    assert await site.publish() == []


async def test_nobody_removes_themselves_or_members_of_another_account(site, colleague):
    account, _ = await account_with_case(colleague)
    outsider = site.browser()
    await outsider.login("taru")
    other = await outsider.open_account("9900025-3")
    users = [row["user_id"] for row in await site.portal.database.rows("SELECT user_id FROM members ORDER BY rowid")]
    sent = await events(site)
    await outsider.get(f"/sv/accounts/{other}")
    assert (await outsider.post(f"/sv/accounts/{other}", {"remove": users[1]})).status_code == 409
    await outsider.get(f"/sv/accounts/{other}")
    await outsider.post(f"/sv/accounts/{other}", {"remove": users[0]})
    assert await events(site) == sent
    assert (await colleague.get(f"/sv/accounts/{account}")).status_code == 200


# Uploads


async def private_form(site: Site) -> tuple[Browser, str]:
    browser = site.browser()
    await browser.login("taru")
    account = await browser.open_account("9900025-3")
    path = f"/sv/accounts/{account}/apply/system-signature/care-provider"
    await browser.get(path)
    return browser, path


@pytest.mark.parametrize("content", [b"<html><script>alert(1)</script>", b"MZ\x90", b"", b" %PDF-1.7"])
async def test_a_file_that_only_says_that_it_is_a_pdf_is_refused(site, content):
    browser, path = await private_form(site)
    files = {"attachments": ("certificate.pdf", content, "application/pdf")}
    assert (await browser.post(path, SYSTEM, files)).status_code == 422
    assert await events(site) == ["opened"]


async def test_an_upload_is_never_a_page_and_is_its_accounts_alone(site, colleague, tmp_path):
    browser, path = await private_form(site)
    await browser.post(path, SYSTEM, {"attachments": ("../../evil.html", PDF, "text/html")})
    assert browser.path.startswith("/sv/cases/")
    (file,) = (tmp_path / "attachments").iterdir()
    assert re.fullmatch("[0-9a-f]{64}", file.name)
    page = await browser.get(f"/attachments/{file.name}")
    assert page.content == PDF
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in page.headers["content-security-policy"]
    for digest in (file.name, "0" * 64, "..%2Fportal.sqlite", "%2e%2e/portal.sqlite"):
        assert (await colleague.get(f"/attachments/{digest}")).status_code == 404


async def test_files_that_are_too_large_are_refused(site, monkeypatch):
    browser, path = await private_form(site)
    large = b"%PDF-" + b"0" * attachments.MOST_OCTETS
    assert (await browser.post(path, SYSTEM, {"attachments": ("a.pdf", large, "")})).status_code == 422
    assert (await browser.post(path, SYSTEM, {"csr": ("a.csr", b"0" * 65_537, "")})).status_code == 422
    monkeypatch.setattr(pages, "MOST_OCTETS", 1_000)
    await browser.get(path)
    assert (await browser.post(path, SYSTEM, {"attachments": ("a.pdf", b"%PDF-" * 1_000, "")})).status_code == 413


async def test_a_body_without_an_end_is_not_read_to_it(site, colleague, monkeypatch):
    monkeypatch.setattr(security, "MOST_OCTETS", 1_000)

    async def endless():
        while True:
            yield b"a=" + b"0" * 100

    headers = {"content-type": "application/x-www-form-urlencoded"}
    page = await colleague.client.post("/sv/accounts/new", content=endless(), headers=headers)
    assert page.status_code == 413


async def test_a_form_of_thousands_of_fields_is_refused(site, colleague):
    await colleague.get("/sv/accounts/new")
    page = await colleague.post("/sv/accounts/new", {f"f{number}": "x" for number in range(1_000)})
    assert page.status_code == 400


# What is typed


@pytest.mark.parametrize(
    "typed", [SCRIPT, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "{csrf}", "'; DROP TABLE x; --"]
)
async def test_what_is_typed_is_shown_as_typed(site, colleague, typed):
    account = await colleague.open_account("9900001-8")
    path = f"/sv/accounts/{account}/apply/server/care-provider"
    await colleague.get(path)
    await colleague.post(path, {**SERVER, "unit_long_name": typed, "orderer.email": ""})
    assert colleague.page.status_code == 422
    assert typed in colleague.text
    assert "<script>alert" not in colleague.page.text
    assert "<img" not in colleague.page.text
    case = await colleague.apply(account, unit_long_name=typed)
    assert typed in colleague.text
    await site.show(case, account, 1, "delivered", revocation=None)
    await colleague.get(f"/sv/cases/{case}/revocation")
    fields = {"serial": typed, "explanation": typed, "since": "", "email": typed, "reason": "no-longer-needed"}
    await colleague.post(f"/sv/cases/{case}/revocation", {**fields, "act": "check"})
    assert colleague.text.count(typed) >= 3
    assert "<script>alert" not in colleague.page.text
    assert "<img" not in colleague.page.text


async def test_a_form_cannot_name_another_organisation_or_type(site, colleague):
    account = await colleague.open_account("9900001-8")
    await colleague.apply(account, **{"applicant.business_id": "9900025-3", "type": "test-server", "language": "en"})
    value = (await site.publish())[-1].value
    assert b'"business_id":"9900001-8"' in value
    assert b'"type":"server","language":"sv"' in value


@pytest.mark.parametrize("place", ["server/operator", "root/care-provider", "system-signature/it-supplier"])
async def test_a_path_of_no_form_is_no_page(site, colleague, place):
    account = await colleague.open_account("9900001-8")
    assert (await colleague.get(f"/sv/accounts/{account}/apply/{place}")).status_code == 404


async def test_A1_a_form_sent_twice_is_one_application(site, colleague):
    account = await colleague.open_account("9900001-8")
    assert await colleague.apply(account) == await colleague.apply(account)
    assert await events(site) == ["opened", "submitted"]


async def test_a_form_of_one_account_says_nothing_of_anothers(site, colleague):
    account = await colleague.open_account("9900001-8")
    case = await colleague.apply(account, once="shared")
    other = await colleague.open_account("9900017-3")
    assert await colleague.apply(other, once="shared") != case


# The pages themselves


async def test_no_page_runs_or_shows_what_is_not_ours(site, colleague):
    account, case = await account_with_case(colleague)
    await site.show(case, account, 1, "returned", ".returned")
    for path in ("/", "/sv/", f"/sv/accounts/{account}", f"/sv/cases/{case}", "/sv/nothing", "/static/live.js"):
        page = await colleague.get(path)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"<style|\sstyle=|<script(?! src=)|\son\w+=|javascript:", page.text)
    assert (await colleague.get(f"/sv/cases/{case}")).headers["cache-control"] == "no-store"


async def test_another_host_is_refused(site):
    page = await site.browser().get("/sv/", headers={"host": "evil.test"})
    assert page.status_code == 400


async def test_an_error_tells_nothing_of_the_inside(site, colleague, monkeypatch):
    monkeypatch.setattr("portal.cases.memberships", None)
    page = await colleague.get("/sv/")
    assert page.status_code == 500
    assert "Traceback" not in page.text
    assert "NoneType" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/"])
async def test_no_other_file_is_served(site, path):
    assert (await site.browser().get(path)).status_code == 404


async def test_the_secret_of_the_provider_is_on_no_page(site, colleague):
    page = await site.browser().get("/sv/login")
    assert str(page.url).startswith(PROVIDER)
    assert "secret" not in str(page.url)


def test_settings_need_a_secret():
    with pytest.raises(KeyError):
        Settings.of({"PORTAL_URL": PORTAL})


async def test_a_case_of_somebody_elses_id_cannot_be_taken(site, colleague):
    _, case = await account_with_case(colleague)
    outsider = site.browser()
    await outsider.login("taru")
    account = await outsider.open_account("9900025-3")
    taken = await outsider.apply(account, once=case, case_id=case)
    assert taken not in (case, str(uuid4()))
