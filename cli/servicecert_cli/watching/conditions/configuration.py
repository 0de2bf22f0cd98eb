"""This machine, and what is set: only a look can see it."""

from .condition import Subject, conditions

critical, warning, look = conditions(Subject.CONFIGURATION)

CONDITIONS = (
    warning(
        "Variables",
        "One of our variables is set that nothing reads.",
        why="A misspelt variable has no effect, and nobody is told.",
        remedy="Correct or remove it: docs/reference/settings.md lists all settings.",
    ),
    critical(
        "Settings",
        "A setting has a value that is not allowed.",
        why="A process with a wrong setting does not start.",
        remedy="Correct it: docs/reference/settings.md lists all settings.",
    ),
    warning(
        "Insecure",
        "Something insecure is tolerated.",
        why="In the clear, or with too many rights, others can forge orders for certificates.",
    ),
    critical(
        "Trials",
        "A setting for trials is on.",
        why="A clock that runs ahead makes certificates and CRLs with wrong times; a crash point kills the process.",
        remedy="Remove it in production.",
    ),
    critical(
        "SecretFiles",
        "Others can read a file of passwords or keys.",
        why="Who reads them can act as the service, or sign as the CA.",
        remedy="Close the file, and replace the secret that others may have read.",
    ),
    look(
        "ServiceKeys",
        "A public key of a service is missing, or ends within a month.",
        why="Records of a service whose key is missing are parked as forged.",
    ),
    look(
        "TimeZone",
        "This machine does not know Finland's time, or by old data.",
        why="Six months, weekdays and reminders are counted in Europe/Helsinki.",
        remedy="Update the system's tzdata, or the Python package tzdata.",
    ),
    look("Python", "It is not a Python that we support.", why="Only these versions are tested."),
    warning(
        "Packages",
        "A required package is missing, or of a version that does not fit.",
        why="With other versions than those locked anything may behave differently.",
        remedy="Install with pip install --require-hashes -r deploy/requirements.lock.",
    ),
)
