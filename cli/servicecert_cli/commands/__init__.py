"""One module a command, or a group of commands; each offers it as `command`."""
