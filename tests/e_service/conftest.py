"""The tests of the example of an e-service. Those in `web` and `browser` are run in its environment."""

from contracts.conftest import trial as trial

collect_ignore = ["web", "browser"]
