"""The limits of a profile in words, for the texts of deficiencies (A10)."""

from collections.abc import Iterable

from servicecert_pki.profile import Profile
from servicecert_pki.profile import Usage as ProfileUsage
from servicecert_pki.spki import CURVES, KeyFamily
from servicecert_schemas.values import Language, Texts
from servicecert_worker.core.texts import read_texts

WORDS = read_texts("servicecert_intake.domain", "limits", ("or", *ProfileUsage))
"""The words of usages, and the conjunction."""


def usages(profile: Profile) -> Texts:
    """Return the extended key usages that a certificate of the type may have."""
    return _choice(WORDS[usage] for usage in ProfileUsage if usage in profile.usages)


def rsa_sizes(profile: Profile) -> Texts:
    return _choice(map(_untranslated, map(str, profile.keys[KeyFamily.RSA].sizes)))


def curves(profile: Profile) -> Texts:
    return _choice(_untranslated(CURVES[size]) for size in profile.keys[KeyFamily.EC].sizes)


def _untranslated(text: str) -> Texts:
    return Texts(sv=text, fi=text, en=text)


def _choice(options: Iterable[Texts]) -> Texts:
    """Return the options as `a`, `a or b`, `a, b or c`, in each language."""
    each = tuple(options)
    return Texts(**{language: _joined(each, language) for language in Language})


def _joined(options: tuple[Texts, ...], language: Language) -> str:
    *most, last = (option.in_language(language) for option in options)
    return f"{', '.join(most)} {WORDS['or'].in_language(language)} {last}" if most else last
