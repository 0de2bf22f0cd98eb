"""The texts: the same in each language, all used, and none missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from portal import forms, texts
from portal.texts import TEXTS
from servicecert_schemas import (
    ApplyingAs,
    CaseState,
    CertificateType,
    DeliveryProblem,
    Language,
    MailKind,
    NextActor,
    RecipientRole,
    RevocationReason,
    Role,
    Usage,
)

PORTAL = Path(texts.__file__).parent
SOURCES = "\n".join(path.read_text() for path in [*PORTAL.glob("*.py"), *PORTAL.glob("templates/*.html")])
WHOLE = set(re.findall(r"""\bt\(["']([a-z0-9_.-]+)["'][,)]""", SOURCES))
TABLES = set(re.findall(r"""\b(?:named\(|t\()f?["']([a-z-]+)[.{"']""", SOURCES)) | {"hints"}
MEMBERS = {
    "types": [*CertificateType],
    "choices": [*ApplyingAs, *Usage],
    "reasons": [*RevocationReason],
    "roles": [Role.COLLEAGUE, Role.TECHNICAL_PARTNER, Role.TECHNICAL_CONTACT],
    "states": [*CaseState, "sent"],
    "acts_next": [each for each in NextActor if each is not NextActor.NOBODY],
    "mails": [*MailKind],
    "recipients": [*RecipientRole],
    "mail-problems": [*DeliveryProblem],
    "languages": [*Language],
    "faults": ["missing", "too-long", "too-many", "malformed", "choose", "file-type"],
}
"""The lists whose members have names."""
PREFIXED = {
    "fields": {path for path in forms.FIELDS if path not in forms.NOT_ASKED}
    | {"type", "applying_as", "applicant", "business_id", "role", "csr", "csr_text"}
    | {"attachments", "certificate_number", "valid_from", "valid_to"}
    | {"serial", "reason", "since", "explanation", "email"},
    "groups": {*forms.GROUPS, "capacity", "attachment", "request"},
    "errors": {f"{status}.{part}" for status in (400, 403, 404, 405, 409, 413, 429, 500) for part in ("title", "what")}
    | {"session.title", "session.what"},
}
"""The tables whose keys follow from code."""


@pytest.mark.parametrize("language", Language)
def test_all_languages_have_the_same_keys_and_places(language):
    for key, text in TEXTS["en"].items():
        assert set(re.findall(r"{\w+}", TEXTS[language][key])) == set(re.findall(r"{\w+}", text)), key
    assert set(TEXTS[language]) == set(TEXTS["en"])


@pytest.mark.parametrize("language", Language)
def test_no_text_is_empty_or_forgotten(language):
    for key, text in TEXTS[language].items():
        assert text.strip() == text != "", key
        assert language is Language.ENGLISH or " " not in text or text != TEXTS["en"][key], key


def test_every_key_is_used_and_every_used_key_is_there():
    known = set(TEXTS["en"])
    expected = WHOLE | {f"{table}.{member}" for table, members in MEMBERS.items() for member in members}
    expected |= {f"{table}.{key}" for table, keys in PREFIXED.items() for key in keys}
    expected |= {f"list.{group}" for group in ("granted", "unfinished", "over")}
    expected |= {f"invitation.may.{role}" for role in MEMBERS["roles"]}
    fields = {f"hints.{key}" for key in PREFIXED["fields"]}
    assert {key for key in known - expected if key not in fields} == set()
    assert expected - known == set()


def test_the_authoritys_own_words_are_used():
    assert TEXTS["sv"]["list.title"] == "Beviljade tillstånd och ofullbordade ärenden"
    assert TEXTS["sv"]["list.decision"] == "Öppna beslutet"
    assert TEXTS["sv"]["revoke.title"] == "Gör begäran om spärrning av certifikatet"
    assert TEXTS["fi"]["list.title"] == "Myönnetyt luvat ja keskeneräiset asiat"
    assert TEXTS["fi"]["revoke.title"] == "Tee varmenteen sulkupyyntö"


def test_no_page_has_a_text_in_its_template():
    for path in PORTAL.glob("templates/*.html"):
        markup = r'{#.*?#}|{{.*?}}|{%.*?%}|<code>.*?</code>|<[^>]*>| [a-z-]+="[^"]*"'
        text = re.sub(markup, "", path.read_text(), flags=re.DOTALL)
        assert re.findall(r"[^\W\d]{2,}", text) == [], path.name
