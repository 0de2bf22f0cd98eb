"""What an attacker sends, in files and texts, and what pages let out: nothing of it runs, shows or reveals anything."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from attackers import SCRIPT, account_with_case, events
from browsers import PORTAL, PROVIDER, SERVER, SYSTEM, Browser, Site
from portal import attachments, pages, security
from portal.settings import Settings

PDF = b"%PDF-1.7\n<html><script>alert(1)</script></html>"


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
