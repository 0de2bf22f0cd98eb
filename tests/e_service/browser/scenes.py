"""Every page of the e-service in every state, at a site without Kafka: what the authority publishes is put in."""

from __future__ import annotations

import tomllib
from typing import Any
from uuid import uuid4

from browsers import CHECKOUT, SERVER, SYSTEM
from playwright.async_api import Page
from portal.views import store_refusal
from servicecert_schemas import EventRefused, Language
from stage import RECORDED, Act, Scene, Stage

_TEXTS = CHECKOUT / "services/intake/servicecert_intake/domain/texts"
TEXTS = {each: tomllib.loads((_TEXTS / f"{each}.toml").read_text()) for each in Language}


def said(table: str, code: str) -> dict[str, str]:
    """Return intake's words in all languages."""
    return {each: TEXTS[each][table][code].replace("{value}", "kanta.sagoudden.local") for each in Language}


DEFICIENCIES = [
    {"code": code, "field": field, "texts": said("deficiencies", code)}
    for code, field in (
        ("unit-not-found", "unit_long_name"),
        ("dns-name-unowned", "names.dns"),
        ("email-wrong", "orderer.email"),
        ("organisation-oid-mismatch", "applicant.organisation_oid"),
        ("csr-weak-signature-hash", "csr"),
    )
]
ANSWER = {"code": "too-late-issued", "texts": said("answers", "too-late-issued")}
DIFFERENCES = [
    {
        "field": "names.dns",
        "before": "kanta.gamla.example.fi",
        "now": SERVER["names.dns"],
        "texts": said("renewal", "names"),
    }
]
HOSTS = (
    *("recept", "remiss", "kanta", "kanta", "arkiv", "laboratorium", "bilder", "tidsbokning"),
    *("tand", "skola", "dialys", "vaccin", "apparat", "kallelse", "jour"),
)


def clicked(selector: str, seen: str) -> Act:
    """Click, and wait until something is to be seen."""

    async def act(page: Page) -> None:
        await page.locator(selector).first.click()
        await page.locator(seen).first.wait_for()

    return act


def sent(form: str) -> Act:
    """Send a form as it stands, and wait for what is wrong with it."""

    async def act(page: Page) -> None:
        await page.locator(form).locator("button").last.click()
        await page.locator(".summary").wait_for()

    return act


def lost_session(form: str) -> Act:
    async def act(page: Page) -> None:
        cookies = await page.context.cookies()
        await page.context.clear_cookies()
        await page.locator(form).locator("button").last.click()
        await page.locator("main a[href$='/']").wait_for()
        await page.context.add_cookies(cookies)

    return act


async def checked(page: Page) -> None:
    await page.locator("input[name=serial]").fill("4D:8A:31:F0")
    await page.locator("input[name=reason]").last.check()
    await page.locator("input[name=since]").fill("2026-11-01T10:00")
    await page.locator("input[name=email]").fill("saga.pahittad@fantasin.example")
    await page.locator("button[value=check]").click()
    await page.locator("button[value=send]").wait_for()


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "submitted": ("submitted", {}),
    "waiting-for-csr": ("waiting-for-csr", {}),
    "returned": ("returned", {"deficiencies": DEFICIENCIES}),
    "returned-and-changed": ("returned", {"deficiencies": DEFICIENCIES}),
    "accepted": ("accepted", {}),
    "issued": ("issued", {}),
    "delivered": ("delivered", {"answer": None}),
    "lapsed": ("lapsed", {}),
    "withdrawn": ("withdrawn", {}),
    "refused": ("refused", {"deficiencies": DEFICIENCIES[3:4]}),
    "revocation-requested": ("revocation-requested", {}),
    "revoked": ("revoked", {}),
    "of-a-newer-release": ("pausad", {}),
    "answered": ("delivered", {"answer": {**ANSWER, "event_id": str(uuid4()), "at": "2026-11-29T10:00:00Z"}}),
    "renewed": (
        "accepted",
        {
            "renewal": {
                "serial": "4d8a31f07c5be29461a0d3c97e18f2b5",
                "differences": DIFFERENCES,
                "key_reused": said("renewal", "key-reused"),
            }
        },
    ),
}
"""The cases of the account, by what is to be seen: the state, and what else their views have."""


async def _returned_system(stage: Stage) -> tuple[str, str]:
    """Return a private provider's account, and its case of a system signature certificate."""
    taru = await stage.login("private", "taru")
    account = await taru.open_account("9900025-3")
    await taru.get(f"/sv/accounts/{account}/apply/system-signature/care-provider")
    await taru.post(taru.path, {**SYSTEM, "once": "1"}, {"attachments": ("a.pdf", b"%PDF-1.7", "")})
    case = taru.path.rsplit("/", 1)[1]
    applied = {"unit_long_name": SYSTEM["unit_long_name"], "information_system": SYSTEM["information_system.name"]}
    wrong = (("conformity-certificate-not-valid", "attachments"), ("signatory-missing", "signatory"))
    more = {
        "type": "system-signature",
        "applied_for": {**RECORDED[0]["applied_for"], **applied, "dns": [], "ip": [], "usages": []},
        "deficiencies": [{"code": code, "field": field, "texts": said("deficiencies", code)} for code, field in wrong],
    }
    await stage.show(account, case, "returned", **more)
    return account, case


async def scenes(stage: Stage) -> list[Scene]:
    """Fill the site with people and cases; return all there is to see."""
    saga = await stage.login("colleague", "saga")
    account = await saga.open_account("9900001-8")
    cases = {}
    for host, (name, (state, more)) in zip(HOSTS, CASES.items(), strict=True):
        dns = "kanta.sagoudden.local" if name.startswith("returned") else f"{host}.sagoudden.example.fi"
        case = cases[name] = await saga.apply(account, once=name, **{"names.dns": dns})
        about = {"applied_for": RECORDED[0]["applied_for"] | {"dns": [dns], "unit_long_name": SERVER["unit_long_name"]}}
        await stage.show(account, case, state, **about, **more)
    await stage.site.publish()
    pasted = {"act": "csr", "csr_text": "-----BEGIN CERTIFICATE REQUEST-----"}

    private, system = await _returned_system(stage)
    contact = await stage.login("technical-contact", "urho")
    link = await saga.invited(f"/sv/cases/{cases['waiting-for-csr']}", {"act": "invite"})
    await contact.get(link)
    await contact.post(link, {})
    await contact.post(f"/sv/cases/{cases['waiting-for-csr']}", pasted)
    record = (await stage.site.publish())[-1]
    refused = {
        "event_id": dict(record.headers)["ce_id"].decode(),
        "case_id": cases["waiting-for-csr"],
        "account_id": account,
        "code": "x",
        "texts": said("answers", "no-such-case"),
        "at": "2026-11-29T12:00:00Z",
    }
    await store_refusal(stage.site.portal.database, EventRefused.model_validate(refused))
    cases["sent"] = await saga.apply(account, once="sent")
    await stage.login("nobody", "satu")
    await stage.login("leaver", "saga")
    await stage.login("weak", "impi", "low")
    invitation = (await saga.invited(f"/sv/accounts/{account}", {"role": "colleague"})).removeprefix("/sv")

    async def edited_while_it_changes(page: Page) -> None:
        await page.locator("textarea[name='names.dns']").fill("annan.sagoudden.example.fi")
        await stage.show(account, cases["returned-and-changed"], "returned", deficiencies=DEFICIENCIES)
        await page.locator("#news.notice").wait_for()

    apply, of = f"/accounts/{account}/apply", {name: f"/cases/{case}" for name, case in cases.items()}
    revocation = f"{of['delivered']}/revocation"
    main_form = "main form"
    return [
        Scene("welcome", "", "/"),
        Scene("too-weak", "weak", "/"),
        Scene("open-account", "colleague", "/accounts/new"),
        Scene("open-account-faulty", "colleague", "/accounts/new", sent(main_form)),
        Scene("open-account-of-nobody", "nobody", "/accounts/new"),
        Scene("list-of-nobody", "nobody", "/"),
        Scene("list", "colleague", "/"),
        Scene("list-with-menu", "colleague", "/", clicked("details.menu > summary", "details.menu li")),
        Scene("list-of-technical-contact", "technical-contact", "/"),
        Scene("account", "colleague", f"/accounts/{account}"),
        Scene("account-faulty", "colleague", f"/accounts/{account}", sent("main section:last-of-type form")),
        Scene("account-invited", "colleague", f"/accounts/{account}", _invite),
        Scene("invitation", "nobody", invitation),
        Scene("apply-choose", "colleague", apply),
        Scene("apply-choose-faulty", "colleague", f"{apply}?type=system-signature&applying_as=it-supplier"),
        Scene("apply-server", "colleague", f"{apply}/server/care-provider"),
        Scene("apply-example", "colleague", f"{apply}/server/care-provider?example"),
        Scene("apply-server-faulty", "colleague", f"{apply}/server/care-provider", sent(main_form)),
        Scene("apply-renewal", "colleague", f"{apply}/server/care-provider?renews={cases['delivered']}"),
        Scene("apply-test-server", "colleague", f"{apply}/test-server/kanta-intermediary"),
        Scene("apply-system-public", "colleague", f"{apply}/system-signature/care-provider"),
        Scene("apply-system-private", "private", f"/accounts/{private}/apply/system-signature/care-provider"),
        Scene(
            "apply-system-faulty", "private", f"/accounts/{private}/apply/system-signature/pharmacy", sent(main_form)
        ),
        *(Scene(f"case-{name}", "colleague", path) for name, path in of.items()),
        Scene("case-returned-system", "private", f"/cases/{system}"),
        Scene("case-waiting-as-technical-contact", "technical-contact", of["waiting-for-csr"]),
        Scene("case-waiting-faulty", "technical-contact", of["waiting-for-csr"], sent(main_form)),
        Scene("case-waiting-invited", "colleague", of["waiting-for-csr"], clicked("button[value=invite]", "#link")),
        Scene("case-returned-faulty", "colleague", of["returned"], _emptied),
        Scene("case-returned-and-edited", "colleague", of["returned-and-changed"], edited_while_it_changes),
        Scene("case-delivered-install", "colleague", of["delivered"], clicked("main details > summary", "main li pre")),
        Scene("revoke", "colleague", revocation),
        Scene("revoke-faulty", "colleague", revocation, sent(main_form)),
        Scene("revoke-check", "colleague", revocation, checked),
        Scene("session-ended", "leaver", f"/accounts/{account}", lost_session("main section:last-of-type form")),
        *(Scene(f"error-{status}", "colleague", f"/failed/{status}") for status in (400, 403, 404, 405, 409, 413, 429)),
        Scene("login", "", "/login"),
    ]


async def _invite(page: Page) -> None:
    await page.locator("input[name=role]").first.check()
    await page.locator("main section:last-of-type form button").click()
    await page.locator("#link").wait_for()


async def _emptied(page: Page) -> None:
    await page.locator("textarea[name='names.dns']").fill("")
    await sent("#supplement form")(page)
