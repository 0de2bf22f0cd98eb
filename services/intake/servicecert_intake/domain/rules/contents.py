"""What a certificate holds: names and usages (the table of the four types), start and length of validity (A14, B1)."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

from servicecert_pki.names import NameRefused, check_dns_name, check_ip_address, server_common_name
from servicecert_pki.profile import Profile, SubjectField
from servicecert_pki.profile import Usage as ProfileUsage
from servicecert_pki.validity import day_of, most_days
from servicecert_schemas.application import Form
from servicecert_schemas.case import Deficiency
from servicecert_schemas.certificate import ServerNames
from servicecert_schemas.values import Usage

from ..deadlines import due_time
from . import deficiencies as lacking
from .application import Application
from .deficiencies import WORDS, Deficiencies, Lack, choice, printable

LATEST_START = timedelta(days=60)

MOST_CHARACTERS = 18_000
"""How many characters the host names have at most together: events hold a certificate of at most 24,576 octets."""


def server_names(form: Form, profile: Profile) -> tuple[ServerNames | None, Deficiencies]:
    """Return the names in canonical form, each once. A system signature certificate has none."""
    typed = form.names
    if not profile.dns_names:
        return (None, (lacking.NAMES_NOT_FOR_TYPE.deficiency(),)) if typed.dns or typed.ip else (ServerNames(), ())
    dns, wrong_dns = _checked(typed.dns, "names.dns", check_dns_name, lacking.DNS_NAMES)
    ip, wrong_ip = _checked(typed.ip, "names.ip", check_ip_address, lacking.IP_ADDRESSES)
    wrong = (
        *(wrong_dns or _without_common_name(dns, profile)),
        *_too_many(len(dns), profile.most_names, lacking.DNS_NAMES_TOO_MANY),
        *_too_many(sum(map(len, dns)), MOST_CHARACTERS, lacking.DNS_NAMES_TOO_LONG),
        *wrong_ip,
        *_too_many(len(ip), profile.most_names, lacking.IP_ADDRESSES_TOO_MANY),
    )
    return (None, wrong) if wrong else (ServerNames(dns=dns, ip=ip), ())


def _too_many(count: int, most: int, lack: Lack) -> Deficiencies:
    return (lack.deficiency(most=str(most)),) if count > most else ()


def _without_common_name(dns: tuple[str, ...], profile: Profile) -> Deficiencies:
    if not dns:
        return (lacking.DNS_NAME_MISSING.deficiency(),)
    longest = profile.longest(SubjectField.COMMON_NAME)
    try:
        server_common_name(dns, longest)
    except NameRefused:
        return (lacking.COMMON_NAME_MISSING.deficiency(most=str(longest)),)
    return ()


def _checked(
    typed: tuple[str, ...], field: str, check: Callable[[str], object], lacks: Mapping[str, Lack]
) -> tuple[tuple[str, ...], Deficiencies]:
    """Return the good ones among the names of a field, each once, and what the others lack."""
    good: list[str] = []
    wrong: list[Deficiency] = []
    for place, text in enumerate(typed):
        try:
            good.append(str(check(text)))
        except NameRefused as refused:
            wrong.append(lacks[refused.code].deficiency(f"{field}[{place}]", value=printable(text)))
    return tuple(dict.fromkeys(good)), tuple(wrong)


def usages(form: Form, profile: Profile) -> tuple[tuple[Usage, ...], Deficiencies]:
    """Return the extended key usages, each once and in a fixed order. A system signature certificate has none."""
    chosen = tuple(usage for usage in Usage if usage in form.usages)
    if not profile.usages:
        return (), (lacking.USAGES_NOT_FOR_TYPE.deficiency(),) if chosen else ()
    if chosen and {*map(str, chosen)} <= {*map(str, profile.usages)}:
        return chosen, ()
    lack = lacking.USAGES_NOT_ALLOWED if chosen else lacking.USAGES_MISSING
    return (), (lack.deficiency(usages=choice(WORDS[each] for each in ProfileUsage if each in profile.usages)),)


def start_date(form: Form, day: date) -> Deficiencies:
    """Require that a requested start date is today or at most 60 days ahead (A14)."""
    if form.start_date is None:
        return ()
    if form.start_date < day:
        return (lacking.START_DATE_PAST.deficiency(),)
    if form.start_date > day + LATEST_START:
        return (lacking.START_DATE_TOO_LATE.deficiency(days=str(LATEST_START.days)),)
    return ()


def validity_days(form: Form, profile: Profile, sent: datetime) -> Deficiencies:
    """Require that the requested validity can be granted whenever the certificate is signed until it is due (B1, A13).

    An invalid start date is ignored.
    """
    if form.validity_days is None:
        return ()
    start = None if start_date(form, day_of(sent)) else form.start_date
    most = most_days(profile, start, sent, due_time(sent))
    return () if form.validity_days <= most else (lacking.VALIDITY_TOO_LONG.deficiency(days=str(most)),)


def follows(application: Application) -> Deficiencies:
    """Require that the followed certificate is one of the account's (A14). Another account's is not disclosed."""
    unknown = bool(application.form.follows) and application.earlier is None
    return (lacking.FOLLOWS_UNKNOWN.deficiency(),) if unknown else ()
