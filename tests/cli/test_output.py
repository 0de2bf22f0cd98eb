"""What the command line prints that others wrote: a control or invisible character is shown and not obeyed (F5)."""

from __future__ import annotations

import json

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_cli import main as program
from servicecert_cli.faults import UserError, unknown
from servicecert_cli.terminal import output
from servicecert_cli.terminal.output import escaped
from servicecert_schemas.characters import is_visible

WILD = "\x1b]0;owned\x07\x1b[2J\u202e\x9b1m\r\u200bname"

PRINTERS = {
    "text": lambda: output.print_text(WILD),
    "table": lambda: output.print_table(("name", "number"), [(WILD, "1")]),
    "json": lambda: output.print_json({WILD: [WILD]}),
    "sentence": lambda: output.say(False, {}, WILD),
    "facts": lambda: output.say(True, {"name": WILD}, ""),
}


@given(st.text(st.characters()))
def test_f5_an_escaped_text_has_no_character_that_moves_a_terminal(text: str) -> None:
    shown = escaped(text)
    assert all(is_visible(each) or each == "\n" for each in shown)
    assert escaped(shown) == shown


def test_f5_escape_sequences_are_shown_as_such() -> None:
    assert escaped("\x1b[2Ja\u202eb\x9bc\u200b\n\ud800") == "\\x1b[2Ja\\u202eb\\x9bc\\u200b\n\\ud800"
    assert escaped("Åbo 🏥 “x”") == "Åbo 🏥 “x”"


@pytest.mark.parametrize("printer", PRINTERS.values(), ids=PRINTERS)
def test_f5_a_name_with_escape_sequences_moves_no_terminal(capsys, printer):
    printer()
    printed = capsys.readouterr().out
    assert "name" in printed
    assert all(each.isprintable() or each == "\n" for each in printed)


def test_f5_json_is_the_same_after_it_is_read(capsys):
    output.print_json({WILD: [WILD]})
    assert json.loads(capsys.readouterr().out) == {WILD: [WILD]}


@pytest.mark.parametrize("fault", [UserError(WILD), unknown("CA", [WILD], [WILD])])
def test_f5_an_error_that_quotes_a_name_moves_no_terminal(servicecert, monkeypatch, fault):
    @click.command()
    def failing() -> None:
        raise fault

    monkeypatch.setattr(program.Commands, "get_command", lambda *_: failing)
    done = servicecert("doctor")
    assert (done.exit_code, "name" in done.stderr) == (1, True)
    assert all(each.isprintable() or each == "\n" for each in done.stderr)


def test_names_are_listed_up_to_twenty():
    assert str(unknown("CA", ["x"], [f"ca-{number}" for number in range(22)])).endswith("ca-19 and 2 more.")
    assert str(unknown("CA", ["x"], [])) == "There is no CA x: there is none."
    assert str(unknown("mail", ["x", "y"], see="`mail list`")) == "There is no mail x, y: see `mail list`."


@pytest.mark.parametrize(("forced", "shown"), [("1", True), ("", False)])
def test_only_a_terminal_shows_that_a_command_works(forced, shown, monkeypatch, capsys) -> None:
    monkeypatch.setenv("FORCE_COLOR", forced)
    with output.at_work("Migrating"):
        pass
    written = capsys.readouterr()
    assert ("Migrating …" in written.err, written.out) == (shown, "")
    assert shown or written.err == ""
