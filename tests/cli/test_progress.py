"""Progress of a start: whole words, also where the terminal is narrow or is none."""

from io import StringIO

import pytest
from rich.console import Console
from servicecert_cli.stand.progress import Steps


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, ["Fetching Kafka: 46 of 46 jars, 45 MB, once"]),
        (60, ["Fetching Kafka: 46 of", "46 jars, 45 MB, once"]),
    ],
)
def test_a_note_is_shown_in_whole_words(width, shown):
    output = StringIO()
    with Steps(Console(file=output, width=width)) as steps:
        steps.began("parts", "Kafka and PostgreSQL")
        steps.done("parts", " ".join(shown))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert [line[29:].removesuffix("0.0 s").strip() for line in lines] == shown
