"""The page about ten years has each table that a migration makes."""

import re

from docs.pages import CHECKOUT, PAGES
from servicecert_worker.storage import admission

_TABLE = re.compile(r"^create table (\w+)", re.MULTILINE | re.IGNORECASE)
_DROPPED = re.compile(r"^drop table (\w+)", re.MULTILINE)
_RENAMED = re.compile(r"^alter table (\w+) rename to (\w+)", re.MULTILINE)


def test_each_table_has_its_end() -> None:
    folders = [admission.MIGRATIONS, *CHECKOUT.glob("services/*/servicecert_*/storage/migrations")]
    assert len(folders) == 5
    texts = [file.read_text() for folder in folders for file in folder.glob("*.sql")]
    renamed = dict(each for text in texts for each in _RENAMED.findall(text))
    made = {renamed.get(name, name) for text in texts for name in _TABLE.findall(text)}
    made -= {name for text in texts for name in _DROPPED.findall(text)}
    (page,) = (page for page in PAGES if page.name == "ten-years.md")
    rows = page.read_text().partition("<!-- tables -->")[2].partition("<!-- end -->")[0].splitlines()
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")]
    assert sorted(named) == sorted(made)
