"""The authority's own file: what it says, what is wrong with it, and what a trial's says."""

import pytest
from servicecert_pki.identity import FICTITIOUS, IdentityUnusable, identity_in, read_identity, required, trial

NAMED = 'organisation = "Exempelmyndigheten"\n'
WHOLE = f"""{NAMED}
[name]
sv = "Exempelmyndigheten"
fi = "Esimerkkivirasto"
en = "Example Authority"
[mail]
sender = "certificates@myndigheten.fi"
contact = "+358 29 123 4567"
[repository]
crls = "http://crl.myndigheten.fi"
ocsp = "http://ocsp.myndigheten.fi"
cps = "https://www.myndigheten.fi/cps"
[limits]
crl_interval_hours = 12
crl_validity_hours = 24
[policies]
server = "1.2.246.999.1"
"""


def write(folder, text):
    (folder / "authority.toml").write_text(text)
    return identity_in(folder)


def test_a_file_of_names_and_policies_alone_is_as_good_as_before(tmp_path):
    whose = write(tmp_path, f'{NAMED}[policies]\nserver = "1.2.246.999.1"\n')
    assert whose.called("fi") == "Exempelmyndigheten"
    with pytest.raises(IdentityUnusable, match=r"authority.toml has no \[repository\]: add it, as docs/ceremony.md#"):
        required(whose.repository, "repository", tmp_path / "authority.toml")


def test_a_whole_file_says_all_in_three_languages(tmp_path):
    whose = write(tmp_path, WHOLE)
    assert [whose.called(language) for language in ("sv", "fi", "en")] == [
        "Exempelmyndigheten",
        "Esimerkkivirasto",
        "Example Authority",
    ]
    assert (whose.limits.crl_interval_hours, whose.limits.crl_validity_hours) == (12, 24)
    assert whose.limits.crl_partitions == 16
    assert whose.invented == []
    assert whose.digest == write(tmp_path, f"# As before.\n{WHOLE}").digest
    assert whose.digest != write(tmp_path, WHOLE.replace("validity_hours = 24", "validity_hours = 48")).digest


@pytest.mark.parametrize(
    ("wrong", "right", "sentence"),
    [
        *(("http://crl.myndigheten.fi", url, "http://crl.example.fi") for url in ("https://a.fi", "http://a.fi/", "a")),
        ("https://www", "ftp://www", "repository.cps: "),
        ("https://www", "https://å", "repository.cps: "),
        ("certificates@", "", "mail.sender: "),
        ('fi = "Esimerkkivirasto"', "", "name.fi: add it."),
        ("Esimerkkivirasto", "a\\nBcc: b", "name.fi: "),
        ("validity_hours = 24", "validity_hours = 23", "limits.crl_validity_hours: give at least 24, twice "),
        (
            "interval_hours = 12",
            "interval_hours = 0",
            "limits.crl_interval_hours: give at least 1",
        ),
        (
            "[limits]",
            "[limits]\ncascades = 1",
            "limits.cascades: there is no such field, correct its name or remove it.",
        ),
        ("[mail]", "[mails]", "mails: there is no such field, "),
    ],
)
def test_a_fault_is_said_with_the_file_and_its_field(tmp_path, wrong, right, sentence):
    assert wrong in WHOLE
    with pytest.raises(IdentityUnusable, match=r"authority\.toml cannot be used: ") as refused:
        write(tmp_path, WHOLE.replace(wrong, right))
    assert sentence in str(refused.value)


def test_all_faults_are_said_at_once(tmp_path):
    with pytest.raises(IdentityUnusable) as refused:
        write(
            tmp_path, WHOLE.replace("[mail]", "[mails]").replace("certificates@", "").replace('fi = "Esi', 'fo = "Esi')
        )
    assert str(refused.value).endswith(
        "cannot be used: name.fi: add it; name.fo: there is no such field, correct its name or remove it; "
        "mails: there is no such field, correct its name or remove it."
    )


def test_a_file_that_is_named_is_there(tmp_path):
    with pytest.raises(IdentityUnusable, match="No such file"):
        read_identity(tmp_path / "none.toml")
    assert identity_in(tmp_path) is FICTITIOUS


def test_what_is_fictitious_is_named_field_by_field(tmp_path):
    invented = [*("organisation", "name.sv", "name.fi", "name.en", "mail.sender", "mail.contact")]
    assert FICTITIOUS.invented == invented
    whose = write(tmp_path, trial("http://127.0.0.1:8080", "http://ocsp.example.fi"))
    assert whose.model_copy(update={"repository": None}) == FICTITIOUS
    assert whose.invented == [*invented, "repository.crls", "repository.ocsp"]
    mixed = write(tmp_path, WHOLE.replace("ocsp.myndigheten.fi", "ocsp.test").replace("2.246.999", "3.6.1.4.1.32473"))
    assert mixed.invented == ["repository.ocsp", "policies.server"]
