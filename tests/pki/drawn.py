"""Any contents that a profile allows, drawn by hypothesis."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st
from servicecert_pki.certificate import AlternativeNames, Contents, Subject
from servicecert_pki.names import LETTERS, foreign_letters
from servicecert_pki.profile import Usage
from servicecert_pki.serials import LARGEST_SERIAL
from servicecert_pki.spki import KeyFamily

TYPES = ("server", "test-server", "system-signature", "test-system-signature")

signs = st.characters(categories=("P", "S")).filter(lambda it: not foreign_letters(it))
# Letters and digits of certificates, punctuation, emoji; nothing invisible.
texts = st.text(st.sampled_from(sorted(LETTERS)) | signs, min_size=1, max_size=64)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda it: not it.startswith("xn--")
)
dns_names = st.lists(labels.map(lambda label: f"{label}.example.fi"), min_size=1, max_size=5, unique=True).map(tuple)
addresses = st.lists(st.ip_addresses(), max_size=3, unique=True).map(tuple)
urls = st.from_regex(r"http://[a-z]{1,20}\.fi/[a-z0-9]{0,200}\.crl", fullmatch=True)
seconds = st.integers(0, 700 * 86_400)


@st.composite
def contents(draw: st.DrawFn, make: Callable[..., Contents]) -> Contents:
    """Any contents that a profile allows."""
    type_id, family = draw(st.sampled_from(TYPES)), draw(st.sampled_from(KeyFamily))
    base = make(type_id, family)
    server = base.profile.dns_names
    names = AlternativeNames(draw(dns_names), draw(addresses)) if server else AlternativeNames()
    start = base.not_before + timedelta(seconds=draw(seconds))
    return make(
        type_id,
        family,
        subject=Subject(draw(texts), draw(texts), "0204819-8", names.dns[0] if server else draw(texts)),
        names=names,
        usages=draw(st.sets(st.sampled_from(Usage), min_size=1).map(frozenset)) if server else frozenset(),
        serial=draw(st.integers(1, LARGEST_SERIAL)),
        not_before=start,
        not_after=start + timedelta(seconds=1 + draw(seconds)),
        crl_url=draw(urls),
        ca_issuers_url=draw(urls),
        ocsp_url=draw(st.none() | urls),
    )
