"""One module for each command or group of commands, which it exports as `command`."""
