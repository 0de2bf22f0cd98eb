"""PostgreSQL, the processes, whatever they do, and what is set on this machine, which only a look can see."""

from .condition import Subject, conditions, unless_outage

critical, warning, look = conditions(Subject.DATABASE)
LOCKED_SECONDS = 30
"""For so long nobody waits for a lock on a table that does no harm."""

_DATABASE = (
    critical(
        "DatabaseDown",
        "PostgreSQL does not answer: nothing is handled, and nothing is lost.",
        when="servicecert:database_away:max == 1",
        wait="1m",
        within="2m30s",
        why="Without it no turn is committed: all services stand still.",
        remedy="Start PostgreSQL, raise max_connections, or correct DATABASE_URL.",
    ),
    look(
        "DatabaseVersion",
        "It is not a PostgreSQL that we support.",
        why="Older releases lack what the tables use; newer ones are not tested.",
    ),
    critical(
        "DatabaseLink",
        "The connection to PostgreSQL is not private.",
        why="Who can change it on its way can order certificates.",
        remedy="Add ?sslmode=verify-full&sslrootcert=FILE.",
    ),
    warning(
        "Locks",
        "The locks of large turns do not fit into PostgreSQL's table of locks.",
        why="A turn locks each case; where they do not fit it fails, and is tried again in smaller parts.",
    ),
    look(
        "Connections",
        "PostgreSQL has not enough connections for all workers.",
        why="A worker that finds none does not start, and commands fail.",
    ),
    critical(
        "Durability",
        "PostgreSQL says that it has committed what is not on the disk.",
        why="A serial number or a revocation that a power failure takes back exists in Kafka and not in the tables.",
    ),
    look(
        "Vacuum",
        "PostgreSQL does not clean up.",
        why="Without autovacuum tables grow, queries slow down, and in the end PostgreSQL refuses to write.",
    ),
    warning(
        "SchemaUnreadable",
        "The figures of {service}'s tables cannot be read: its schema is of another version.",
        when="(servicecert_database_up == 0) unless on () servicecert:database_away:max == 1",
        wait="5m",
        within="7m",
    ),
    warning(
        "DatabaseSlow",
        "PostgreSQL takes {value:period} for what takes a few milliseconds: everything is late.",
        when="avg_over_time(servicecert:database_read_seconds:max[2m]) > 0.1",
        expr=unless_outage("$when"),
        wait="1m",
        within="4m",
    ),
    critical(
        "TableLocked",
        "{service}.{table} is locked for {value:period} by {user} ({application}, pid {pid}): what needs it waits.",
        when=f"servicecert_table_locked_seconds > {LOCKED_SECONDS}",
        within="1m30s",
        why="Who uses the table waits for it, and so does all work of its service; often it is a transaction left "
        "open.",
    ),
    look(
        "Transactions",
        "A transaction is open for long.",
        why="A long transaction keeps locks, and keeps autovacuum from removing dead rows: outboxes become slow.",
        remedy="End it: pg_terminate_backend, see pg_stat_activity.",
    ),
    critical(
        "ClockWrong",
        "The clock of {instance} differs from PostgreSQL's: it decides and signs nothing.",
        when="max by (instance) (servicecert_clock_wrong) > 0",
        wait="30s",
        within="2m",
        why="A worker stops where they differ by a minute: it decides and signs nothing.",
        remedy="Synchronise both machines' clocks (NTP).",
    ),
    look(
        "DatabaseDisk",
        "PostgreSQL's disk is almost full.",
        why="PostgreSQL stops when its disk is full.",
        remedy="Enlarge the disk, or move other files away.",
    ),
    look(
        "Migrations",
        "A schema has not the migrations of this version.",
        why="A service starts only with tables that it can use.",
    ),
    critical(
        "DatabaseRights",
        "A service's role has more rights than it needs, or owns something.",
        why="A role that owns its tables can change the audit, and one that reads other schemas sees personal data.",
        remedy="Run `servicecert db migrate`, and revoke what stays.",
    ),
    critical(
        "Fence",
        "A service's tables and topics do not know all of each other: the database or Kafka was put back.",
        why="What comes from the past has forgotten what was decided or told; so the service's workers do not run.",
    ),
)

critical, warning, _ = conditions(Subject.PROCESSES)

_PROCESSES = (
    warning(
        "LagExporterDown",
        "The exporter of lag does not answer: nobody sees what waits in topics and tables.",
        when='absent(up{job="lag"} == 1)',
        wait="1m",
        within="2m",
    ),
    warning(
        "WorkerDown",
        "{instance}, a worker of {job}, does not answer; others do its work.",
        when='(up{job=~"intake|issuer|revoker|notifier|ocsp"} == 0) and on (job) servicecert:workers_up:sum > 0',
        wait="1m",
        within="2m",
    ),
    warning(
        "NotReady",
        "{instance}, a worker of {service}, runs and does not work: its /ready says why.",
        when=unless_outage(
            '(servicecert_ready{service!~"lag|canary|ocsp"} == 0) unless on (instance) servicecert_clock_wrong == 1'
        )
        + f" unless on (service) servicecert_table_locked_seconds > {LOCKED_SECONDS}",
        wait="3m",
        within="4m30s",
    ),
    warning(
        "FilesNearLimit",
        "{instance} has opened {value:share} of the files and connections it may.",
        when="process_open_fds / process_max_fds > 0.8",
        wait="5m",
        within="6m",
    ),
    critical(
        "ClockAhead",
        "{instance} works with a clock for trials: never in production.",
        when="servicecert_clock_ahead_seconds > 0",
    ),
)

critical, warning, look = conditions(Subject.CONFIGURATION)

_CONFIGURATION = (
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
)

CONDITIONS = (*_DATABASE, *_PROCESSES, *_CONFIGURATION)
