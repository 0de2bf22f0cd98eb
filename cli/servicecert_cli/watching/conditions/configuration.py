"""This machine, and what is set: only a look can see it."""

from functools import partial

from .condition import CRITICAL, WARNING, Condition, Subject

_setting = partial(Condition, Subject.CONFIGURATION)

CONDITIONS = (
    _setting(
        "Variables",
        "One of our variables is set that nothing reads.",
        WARNING,
        why="A misspelt variable has no effect, and nobody is told.",
        remedy="Correct or remove it: docs/operations.md lists all settings.",
    ),
    _setting(
        "Settings",
        "A setting has a value that is not allowed.",
        CRITICAL,
        why="A process with a wrong setting does not start.",
        remedy="Correct it: docs/operations.md lists all settings.",
    ),
    _setting(
        "Insecure",
        "Something insecure is tolerated.",
        WARNING,
        why="In the clear, or with too many rights, others can forge orders for certificates.",
    ),
    _setting(
        "Trials",
        "A setting for trials is on.",
        CRITICAL,
        why="A clock that runs ahead makes certificates and CRLs with wrong times; a crash point kills the process.",
        remedy="Remove it in production.",
    ),
    _setting(
        "SecretFiles",
        "Others can read a file of passwords or keys.",
        CRITICAL,
        why="Who reads them can act as the service, or sign as the CA.",
        remedy="Close the file, and replace the secret that others may have read.",
    ),
    _setting(
        "ServiceKeys",
        "A public key of a service is missing, or ends within a month.",
        why="Records of a service whose key is missing are parked as forged.",
        needs="`SERVICECERT_SERVICE_KEYS`",
    ),
    _setting(
        "TimeZone",
        "This machine does not know Finland's time, or by old data.",
        why="Six months, weekdays and reminders are counted in Europe/Helsinki.",
        remedy="Update the system's tzdata, or the Python package tzdata.",
    ),
    _setting(
        "Python",
        "It is not a Python that we support.",
        why="Only these versions are tested.",
    ),
    _setting(
        "Packages",
        "A required package is missing, or of a version that does not fit.",
        WARNING,
        why="With other versions than those locked anything may behave differently.",
        remedy="Install with pip install --require-hashes -r deploy/requirements.lock.",
    ),
)
