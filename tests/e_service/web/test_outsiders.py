"""What outsiders and people with few rights try: nothing of it shows or changes what is not theirs."""

from __future__ import annotations

import re

import pytest
from attackers import account_with_case, events, member
from browsers import SERVER

NOBODYS = "00000000-0000-4000-8000-000000000000"


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
