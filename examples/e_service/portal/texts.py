"""The texts of the pages: one file for each language, so that a translator edits no code.

The authority's words for states, types, recipients and who acts next are those of its package.
"""

import json
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from servicecert_schemas import Language

HELSINKI = ZoneInfo("Europe/Helsinki")
FOLDER = Path(__file__).with_name("texts")
FIXED = json.loads((files("servicecert_schemas") / "exported" / "texts.json").read_text(encoding="utf-8"))


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return the texts by their dotted keys."""
    found: dict[str, str] = {}
    for name, value in table.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": str(value)}
    return found


def read(language: str) -> Mapping[str, str]:
    own = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    fixed = {table: {name: texts[language] for name, texts in members.items()} for table, members in FIXED.items()}
    return MappingProxyType(_flat(own) | _flat(fixed))


TEXTS = MappingProxyType({language.value: read(language) for language in Language})


class Speaker:
    """Says things in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = TEXTS[language]

    def t(self, key: str, **values: object) -> str:
        """Return a text. Raises KeyError."""
        return self._texts[key].format(**values) if values else self._texts[key]

    def named(self, table: str, member: str) -> str:
        """Return the name of a member of a list; its identifier, if we do not know it: lists may grow."""
        return self._texts.get(f"{table}.{member}", member)

    def hint(self, path: str) -> str:
        """Return what helps to fill in a field; nothing for one that needs no help."""
        return self._texts.get(f"hints.{path}", "")

    def day(self, when: date) -> str:
        """Return a day; of a moment, the one in Finland."""
        local = when.astimezone(HELSINKI) if isinstance(when, datetime) else when
        return f"{local:%-d %B %Y}" if self.language == "en" else f"{local:%-d.%-m.%Y}"

    def moment(self, when: datetime) -> str:
        return f"{self.day(when)} {when.astimezone(HELSINKI):%H:%M}"
