"""A7: private or public is the sector of the certified unit."""

from servicecert_intake.domain.registers.snapshot import Registers, apply
from servicecert_intake.domain.rules.application import Application, Grant
from servicecert_intake.domain.rules.judgement import judge
from servicecert_pki.profiles import Profiles
from servicecert_schemas.application import Form
from servicecert_schemas.register import Organisation, RegisterEntry
from services.intake.conftest import NOW, SIGNATURE_FORM


def test_A7_the_unit_s_own_sector_decides_or_its_organisation_s_or_the_stricter(registers, profiles):
    for unit, organisation, needed in (
        ("public", "public", False),
        ("public", "private", True),
        ("private", "public", True),
        ("private", None, True),
        ("public", None, False),
        (None, "public", False),
        (None, "private", True),
        (None, None, True),
    ):
        assert needs_conformity(unit, organisation, registers, profiles) is needed, (unit, organisation)


def needs_conformity(unit: str | None, organisation: str | None, registers: Registers, profiles: Profiles) -> bool:
    """Return whether a unit needs a conformity certificate, with its sector and its organisation's."""
    common = {"business_id": "9900090-7", "registered_name": "Koe", "organisation_kind": "care-provider"}
    entries = [
        Organisation(
            **common,
            oid=oid,
            names={"fi": name},
            sector=sector or "private",
            sector_stated=sector is not None,
            valid_from="2020-01-01",
        )
        for oid, name, sector in (
            ("1.2.246.10.99000907", "Koe", organisation),
            ("1.2.246.10.99000907.10.1", "Koeasema", unit),
        )
    ]
    changed = apply(registers, [(each.oid, RegisterEntry(entry_id=each.oid, entry=each)) for each in entries])
    about = {
        "applying_as": "care-provider",
        "applicant": {"business_id": "9900090-7"},
        "unit_long_name": "Koeasema",
    }
    outcome, _ = judge(Application(Form.model_validate({**SIGNATURE_FORM, **about})), changed, profiles, NOW)
    return not isinstance(outcome, Grant) and [each.code for each in outcome] == ["conformity-certificate-missing"]
