"""Write a man page of each command, from its help text: `python deploy/man_pages.py FOLDER`."""

import sys
from importlib.metadata import version
from pathlib import Path

import click
from click_man.core import write_man_pages
from servicecert_cli.main import main


def whole(command: click.Command) -> click.Command:
    """Return a command with all commands below it, which are otherwise imported on use."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        found = {name: command.get_command(context, name) for name in command.list_commands(context)}
        command.commands = {name: whole(each) for name, each in found.items() if each is not None}
    return command


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    write_man_pages("servicecert", whole(main), version=version("servicecert"), target_dir=sys.argv[1])
