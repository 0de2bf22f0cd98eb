"""Texts for customers, as data that a translator can edit: one file per language, `texts/<language>.toml`.

A table of the file holds the texts of one subject by key. The code names the keys; the files are checked at import.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from itertools import product
from string import Formatter
from types import MappingProxyType

from servicecert_schemas.values import Language, Texts

# Intake has five tables in each file.
_parsed = lru_cache(maxsize=len(Language))(tomllib.loads)


class InvalidTexts(Exception):
    """One sentence for the translator: which language and key, what is wrong, and what to do."""


def read_texts(package: str, table: str, keys: Iterable[str]) -> Mapping[str, Texts]:
    """Return the texts of one table of the package's files, by key, in the order of the English file.

    Each key has one text in every language, with the same placeholders such as `{days}`, and there are no other keys.
    Raises `InvalidTexts`.
    """
    used = tuple(keys)
    loaded = {language: _read(package, table, language) for language in Language}
    english = loaded[Language.ENGLISH]
    for language, texts in loaded.items():
        if unused := sorted(texts.keys() - set(used)):
            raise InvalidTexts(f"{_location(language, table, unused[0])} is not used: delete it, or correct its key.")
        if missing := [key for key in used if not isinstance(texts.get(key), str) or not texts[key].strip()]:
            raise InvalidTexts(f"{_location(language, table, missing[0])} is missing: add a text.")
    for language, key in product(Language, used):
        own, others = _placeholders(loaded[language][key]), _placeholders(english[key])
        if own != others:
            place = _location(language, table, key)
            raise InvalidTexts(f"{place} has the placeholders {own}, but {others} in English: use the same.")
    return MappingProxyType({key: Texts(**{lang: loaded[lang][key] for lang in Language}) for key in english})


def _read(package: str, table: str, language: Language) -> dict[str, str]:
    try:
        texts = _parsed((files(package) / "texts" / f"{language}.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidTexts(f"texts/{language}.toml of {package} cannot be read, correct it: {error}") from None
    return dict(texts.get(table, {}))


def _location(language: Language, table: str, key: str) -> str:
    return f"texts/{language}.toml: [{table}] {key!r}"


def _placeholders(text: str) -> list[str]:
    """Return the placeholders of a text, e.g. `days`; the text itself if one is broken, so that the two differ."""
    try:
        return sorted({name for _, name, _, _ in Formatter().parse(text) if name is not None})
    except ValueError:
        return [text]
