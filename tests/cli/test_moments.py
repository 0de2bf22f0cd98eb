"""A time is written in the same way for each command that takes one, and a wrong one is told with the same sentence."""

from datetime import UTC, datetime, timedelta, timezone

import click
import pytest
from commandline import LEAVES
from servicecert_cli.commands.options import MOMENT

MIDNIGHT = datetime(2027, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2027-03-01", MIDNIGHT),
        ("2027-03-01T08:00", MIDNIGHT.replace(hour=8)),
        ("2027-03-01 08:00:30", MIDNIGHT.replace(hour=8, second=30)),
        ("2027-03-01T08:00Z", MIDNIGHT.replace(hour=8)),
        ("2027-03-01T08:00+02:00", datetime(2027, 3, 1, 8, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_time_without_a_zone_is_in_utc(written: str, meant: datetime) -> None:
    assert MOMENT.convert(written, None, None) == meant


@pytest.mark.parametrize("written", ["soon", "2027-02-30", "1.3.2027", ""])
def test_what_is_no_time_is_told_with_the_way_to_write_it(written: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time: write it as 2027-03-01, 2027-03-01T08:00 or 2027"):
        MOMENT.convert(written, None, None)


def test_no_command_reads_times_in_its_own_way() -> None:
    of_times = {" ".join(path) for path, command in LEAVES if any(it.type is MOMENT for it in command.params)}
    assert {"mail list", "parked list", "incident plan", "ca activate", "registers load", "revoke"} <= of_times
    assert not [path for path, command in LEAVES for it in command.params if isinstance(it.type, click.DateTime)]
