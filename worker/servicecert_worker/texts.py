"""Texts that people read are data, so that a translator edits no code: one file a language, `texts/<language>.toml` beside the code that tells them.

A table of the file holds the texts of one subject, each by its key. The code names the keys; the files are read and compared once, at import.
"""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from itertools import product
from string import Formatter
from types import MappingProxyType

from servicecert_schemas.values import Language, Texts


class TextsWrong(Exception):
    """One sentence for whoever edits the texts: which language and which key, what is wrong, and what to do."""


def read_texts(package: str, table: str, keys: Iterable[str]) -> Mapping[str, Texts]:
    """Return the texts of one table of the package's files, by key, in the order of the English file.

    Each key has one text in every language, with the same places such as `{days}`, and there are no other keys. Raises `TextsWrong`.
    """
    used = tuple(keys)
    found = {language: _read(package, table, language) for language in Language}
    for language, texts in found.items():
        if unused := sorted(texts.keys() - set(used)):
            raise TextsWrong(f"{_of(language, table, unused[0])} is used by nothing: delete it, or correct its key.")
        if lacking := [key for key in used if not isinstance(texts.get(key), str) or not texts[key].strip()]:
            raise TextsWrong(f"{_of(language, table, lacking[0])} is missing: add a text.")
    for language, key in product(Language, used):
        places, others = _places(found[language][key]), _places(found[Language.ENGLISH][key])
        if places != others:
            raise TextsWrong(
                f"{_of(language, table, key)} has the places {places}, but {others} in English: use the same."
            )
    return MappingProxyType(
        {key: Texts(**{language: found[language][key] for language in Language}) for key in found[Language.ENGLISH]}
    )


def _read(package: str, table: str, language: Language) -> dict[str, str]:
    try:
        texts = tomllib.loads((files(package) / "texts" / f"{language}.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise TextsWrong(f"texts/{language}.toml of {package} cannot be read, correct it: {wrong}") from None
    return dict(texts.get(table, {}))


def _of(language: Language, table: str, key: str) -> str:
    return f"texts/{language}.toml: [{table}] {key!r}"


def _places(text: str) -> list[str]:
    """The places of a text that are filled in when it is told, e.g. `days`; what is no place at all is told as it stands, and so differs."""
    try:
        return sorted({name for _, name, _, _ in Formatter().parse(text) if name is not None})
    except ValueError:
        return [text]
