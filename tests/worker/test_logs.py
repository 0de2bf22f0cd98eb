"""What a log line is: one line, with fields, and of an error nothing that its text or its variables hold."""

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from servicecert_worker.core.traces import root
from servicecert_worker.observe.logs import about, configure

log = logging.getLogger("servicecert_worker.test")
CASE = "0190a5b0-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers, logger.level = handlers, level


def logged(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_a_line_has_the_documented_fields_and_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    configure("intake", "auto", "info")
    begun = root("case", sampled=False)
    with about(SimpleNamespace(key=CASE, traceparent=begun)):
        log.warning("%s is parked", "ä", extra={"key": CASE, "offset": 7})
    log.info("Started")
    log.debug("Not at this level")
    first, second = map(json.loads, logged(capsys).splitlines())
    timestamp = first.pop("timestamp")
    assert first == {
        "event": "ä is parked",
        "service": "intake",
        "trace": begun.split("-")[1],
        "case": CASE,
        "level": "warning",
        "logger": "servicecert_worker.test",
        "key": CASE,
        "offset": 7,
    }
    assert timestamp < second["timestamp"]
    assert second.keys() == {"event", "service", "level", "logger", "timestamp"}


def test_a_line_for_people_is_one_line_whatever_its_values_hold(capsys: pytest.CaptureFixture[str]) -> None:
    configure("intake", "text", "info")
    log.error("Parked", extra={"key": CASE, "reason": "a\n\x1b[31m b", "count": 3})
    (line,) = logged(capsys).splitlines()
    assert line.endswith(
        f"Z [error    ] Parked                         [servicecert_worker.test] count=3 key={CASE} "
        r"reason='a\n\x1b[31m b' service=intake"
    )


@pytest.mark.parametrize("form", ["json", "text"])
def test_E3_of_an_error_a_line_has_neither_the_text_nor_the_variables(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("intake", form, "info")
    password = "n0t-to-be-l0gged"
    try:
        raise ValueError(f"{password} is wrong")
    except ValueError:
        log.exception("The look failed")
    (line,) = logged(capsys).splitlines()
    assert "ValueError at test_logs.py:" in line
    assert password not in line
