"""The demo's applications: with which keys, what is wrong with them at first, and how they are introduced."""

from collections.abc import Callable, Mapping

from servicecert_schemas.application import Application
from servicecert_schemas.register import Organisation
from servicecert_schemas.values import CertificateType

from ..registers.reading import FICTITIOUS_REGISTERS, read_register
from . import openssl
from .elements import Card, Fact, facts

KEYS = {
    CertificateType.SERVER: openssl.RSA_3072,
    CertificateType.TEST_SERVER: openssl.EC_P384,
    CertificateType.SYSTEM_SIGNATURE: openssl.EC_P384,
    CertificateType.TEST_SYSTEM_SIGNATURE: openssl.RSA_2048,
}


def introduction(application: Application, name: str) -> Card:
    """Return who applies for what."""
    capacity = application.applying_as.replace("-", " ").replace("kanta", "Kanta")
    system = application.information_system
    usages = " and ".join(usage.removesuffix("-auth") for usage in application.usages)
    attached = (f"conformity certificate {each.certificate_number}" for each in application.attachments)
    return facts(
        Fact("applicant", f"{name}, {capacity} ({application.applicant.business_id})"),
        Fact("unit", application.unit_long_name, detail=True),
        Fact("for", f"{system.name} ({system.system_id})" if system else "\n".join(application.names.dns)),
        Fact("used as", usages if application.names.dns else "", detail=True),
        Fact("attached", "\n".join(attached), detail=True),
        Fact("key", f"{KEYS[application.type].name}, request made by openssl req", detail=True),
    )


def mistaken(application: Application) -> Application:
    """The application with two mistakes: a name that is not the register's, and no mark of the Kanta intermediary."""
    contact = application.technical_contact.model_copy(update={"organisation": "Unelmasilta"})
    return application.model_copy(update={"unit_long_name": "Unelmasilta Välityspalvelu", "technical_contact": contact})


MISTAKES: Mapping[CertificateType, tuple[Callable[[Application], Application], str]] = {
    CertificateType.SYSTEM_SIGNATURE: (
        lambda it: it.model_copy(update={"attachments": ()}),
        "The applicant attaches the certificate and sends the form again.",
    ),
    CertificateType.TEST_SYSTEM_SIGNATURE: (mistaken, "The applicant mends both and sends the form again."),
}
"""How two of the four applications are sent at first, and what their applicants do then."""


def registered_name(business_id: str) -> str:
    """The name of an organisation of the fictitious registers."""
    entries = (each.entry for each in read_register(FICTITIOUS_REGISTERS) if isinstance(each.entry, Organisation))
    return next(entry.registered_name for entry in entries if entry.business_id == business_id)
