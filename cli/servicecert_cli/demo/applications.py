"""The demo's applications: with which keys, what is wrong with them at first, and how they are introduced."""

from servicecert_schemas.register import Organisation
from servicecert_schemas.values import CertificateType

from ..e_service.application import Application
from ..registers.reading import FICTITIOUS_REGISTERS, read_register
from . import openssl
from .elements import Fact, Facts

KEYS = {
    CertificateType.SERVER: openssl.RSA_3072,
    CertificateType.TEST_SERVER: openssl.EC_P384,
    CertificateType.SYSTEM_SIGNATURE: openssl.EC_P384,
    CertificateType.TEST_SYSTEM_SIGNATURE: openssl.RSA_2048,
}


def introduction(application: Application, name: str) -> Facts:
    """Return who applies for what."""
    capacity = application.applying_as.replace("-", " ").replace("kanta", "Kanta")
    facts = [
        Fact("applicant", f"{name}, {capacity} ({application.applicant.business_id})"),
        Fact("unit", application.unit_long_name, detail=True),
    ]
    if application.names.dns:
        facts.append(Fact("for", "\n".join(application.names.dns)))
        usages = " and ".join(usage.removesuffix("-auth") for usage in application.usages)
        facts.append(Fact("used as", usages, detail=True))
    elif (system := application.information_system) is not None:
        facts.append(Fact("for", f"{system.name} ({system.system_id})"))
    facts += [
        Fact("attached", f"conformity certificate {attachment.certificate_number}", detail=True)
        for attachment in application.attachments
    ]
    facts.append(Fact("key", f"{KEYS[application.type].name}, request made by openssl req", detail=True))
    return Facts(tuple(facts))


def at_first(application: Application) -> Application:
    """The application as it is sent at first: two of the four forget or mistake something."""
    if application.type is CertificateType.SYSTEM_SIGNATURE:
        return application.model_copy(update={"attachments": ()})
    return mistaken(application) if application.type is CertificateType.TEST_SYSTEM_SIGNATURE else application


def mistaken(application: Application) -> Application:
    """The application with two mistakes: a name that is not the register's, and no mark of the Kanta intermediary."""
    contact = application.technical_contact.model_copy(update={"organisation": "Unelmasilta"})
    return application.model_copy(update={"unit_long_name": "Unelmasilta Välityspalvelu", "technical_contact": contact})


def registered_name(business_id: str) -> str:
    """The name of an organisation of the fictitious registers."""
    entries = (each.entry for each in read_register(FICTITIOUS_REGISTERS))
    return next(
        entry.registered_name
        for entry in entries
        if isinstance(entry, Organisation) and entry.business_id == business_id
    )
