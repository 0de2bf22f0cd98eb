"""The names and usages of a certificate (the table of the four types)."""

from servicecert_pki.names import NameRefused, check_dns_name, check_ip_address, server_common_name
from servicecert_schemas.application import Form
from servicecert_schemas.case import Deficiency
from servicecert_schemas.certificate import ServerNames
from servicecert_schemas.values import Usage

from . import deficiencies as lacking
from .deficiencies import Deficiencies

_SHOWN = 60
"""How many characters of a typed name a deficiency's text repeats."""


def server_names(form: Form) -> tuple[ServerNames | None, Deficiencies]:
    """Return the names in canonical form, each once. A system signature certificate has none."""
    typed = form.names
    if not form.type.is_server:
        return (None, (lacking.NAMES_NOT_FOR_TYPE.deficiency(),)) if typed.dns or typed.ip else (ServerNames(), ())
    dns, wrong_dns = _dns_names(typed.dns)
    ip, wrong_ip = _ip_addresses(typed.ip)
    if wrong_dns or wrong_ip:
        return None, (*wrong_dns, *wrong_ip)
    return ServerNames(dns=tuple(dict.fromkeys(dns)), ip=tuple(dict.fromkeys(ip))), ()


def _dns_names(typed: tuple[str, ...]) -> tuple[list[str], Deficiencies]:
    if not typed:
        return [], (lacking.DNS_NAME_MISSING.deficiency(),)
    good: list[str] = []
    wrong: list[Deficiency] = []
    for place, text in enumerate(typed):
        try:
            good.append(check_dns_name(text))
        except NameRefused as refused:
            wrong.append(lacking.DNS_NAMES[refused.code].deficiency(f"names.dns[{place}]", value=printable(text)))
    if not wrong:
        try:
            server_common_name(good)
        except NameRefused:
            wrong.append(lacking.COMMON_NAME_MISSING.deficiency())
    return good, tuple(wrong)


def _ip_addresses(typed: tuple[str, ...]) -> tuple[list[str], Deficiencies]:
    good: list[str] = []
    wrong: list[Deficiency] = []
    for place, text in enumerate(typed):
        try:
            good.append(str(check_ip_address(text)))
        except NameRefused:
            wrong.append(lacking.IP_ADDRESS_FORM.deficiency(f"names.ip[{place}]", value=printable(text)))
    return good, tuple(wrong)


def usages(form: Form) -> tuple[tuple[Usage, ...], Deficiencies]:
    """Return the extended key usages, each once and in a fixed order. A system signature certificate has none."""
    chosen = tuple(usage for usage in Usage if usage in form.usages)
    if form.type.is_server:
        return chosen, () if chosen else (lacking.USAGES_MISSING.deficiency(),)
    return (), (lacking.USAGES_NOT_FOR_TYPE.deficiency(),) if chosen else ()


def printable(typed: str) -> str:
    """Return a typed text for a deficiency: shortened, so that many fit an event, without unprintable characters."""
    visible = "".join(character if character.isprintable() else "\ufffd" for character in typed[:_SHOWN])
    return visible if len(typed) <= _SHOWN else f"{visible}…"
