"""`servicecert db`: the services' roles and schemas."""

import os
from collections.abc import Mapping
from pathlib import Path

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.secret_files import SecretUnreadable, read_secret
from servicecert_worker.storage import database, schema

from ..connections.addresses import database_url
from ..faults import UserError
from ..operations import migrating
from ..operations.files import require_writable, write_private
from ..operations.operators import add_login, add_operator, add_reader, prepare_logins, read_verifier
from ..terminal.output import as_json, at_work, say
from .options import FILE

_LOGINS = (*SERVICES, *database.LOGINS)


_ca = click.option("--ca", metavar="PATH", help="Where the login's user has the database's CA; default: as we do.")


@click.group()
def command() -> None:
    """Roles and schemas of the services in PostgreSQL."""


@command.command()
@click.option("--out", type=FILE, help="Write each service's DATABASE_URL here.")
@click.option("--new-passwords", is_flag=True, help="Also for roles that exist: their services lose the old ones.")
@_ca
@as_json
def prepare(out: Path | None, new_passwords: bool, ca: str | None, as_json: bool) -> None:
    """Make the roles, and a schema for each service.

    DATABASE_URL names a role that may create roles; nothing else needs it. The roles: one
    for each service, MIGRATOR for `servicecert db migrate`, ERASER for `servicecert erase`,
    MONITORING for `servicecert lag --serve`.
    May be run again: schemas and roles stay. A role's password is
    SERVICECERT_<ROLE>_DATABASE_PASSWORD, or the first line of the file
    SERVICECERT_<ROLE>_DATABASE_PASSWORD_FILE. Without either a new role's is made and written
    only to --out: lines <ROLE>_DATABASE_URL=…, readable by the file's owner alone. They name
    no client certificate of DATABASE_URL, and --ca instead of its sslrootcert.

    Examples:
      servicecert db prepare --out service-urls
      SERVICECERT_INTAKE_DATABASE_PASSWORD_FILE=secret servicecert db prepare
    """
    if out is not None:
        require_writable(out)
    configured = {service: configured_password(service, os.environ) for service in _LOGINS}
    drawn = database.new_password if new_passwords else lambda: None
    urls = schema.prepare(database_url(), {service: given or drawn() for service, given in configured.items()})
    with schema.connected(database_url()) as connection, connection.transaction():
        prepare_logins(connection)
    if out is not None and urls:
        _write(out, {f"{service.upper()}_DATABASE_URL": url for service, url in urls.items()}, ca)
    sentences = [f"Roles and schemas exist for {', '.join(SERVICES)}. Now run `servicecert db migrate`."]
    if out is not None:
        none = f"Nothing is written to {out}, since no password is new: --new-passwords makes new ones."
        sentences.append(f"The database URLs of {', '.join(urls)} are in {out}." if urls else none)
    elif new := [service for service in urls if configured[service] is None]:
        again = "run again with --new-passwords --out FILE"
        sentences.append(f"New passwords of {', '.join(new)} were not written anywhere: {again}.")
    if kept := [service for service in configured if service not in urls]:
        sentences.append(f"The passwords of {', '.join(kept)} stay as they are.")
    say(as_json, {"services": SERVICES, "urls": out}, "\n".join(sentences))


@command.command()
@click.argument("services", nargs=-1, type=click.Choice(SERVICES))
@as_json
def migrate(services: tuple[str, ...], as_json: bool) -> None:
    """Bring the schemas to this version, and set exactly the rights of its roles.

    Run it before a new version of the services starts: they wait for it. DATABASE_URL names
    the migrator, whom `servicecert db prepare` makes. Without SERVICES all are migrated.
    May be run again, also while services work. Schemas of a newer version stay as they are.

    Example:
      servicecert db migrate
    """
    chosen = services or SERVICES
    with at_work("Migrating"):
        newer = migrating.migrate(database_url(), chosen)
    sentences = []
    if migrated := [service for service in chosen if service not in newer]:
        sentences.append(f"The schemas of {', '.join(migrated)} are of this version.")
    if newer:
        sentences.append(f"The schemas of {', '.join(newer)} stay as a newer version made them: this one can use them.")
    say(as_json, {"services": chosen, "newer": newer}, "\n".join(sentences))


@command.command()
@click.argument("name")
@click.option("--out", type=FILE, help="Write the operator's DATABASE_URL here, with a new password.")
@click.option("--verifier", "file", type=FILE, help="The operator's own password: a file of `proposals credential`.")
@click.option("--certificate", is_flag=True, help="The login has no password, but a client certificate.")
@_ca
def operator(name: str, out: Path | None, file: Path | None, certificate: bool, ca: str | None) -> None:
    """Make the login of one of the first two operators.

    They propose, confirm, replay, resend and verify, and do nothing else. All later logins,
    and a new password for one, are proposals of these two; see `proposals operator`.
    DATABASE_URL names a role that may create roles; `servicecert db migrate` must have run.
    NAME has lower-case letters, digits and hyphens. With --out the administrator knows the
    password: --verifier and --certificate are for production.

    Examples:
      servicecert db operator anna --verifier anna-url.verifier
      servicecert db operator anna --out anna-url
    """
    if (out is not None) + (file is not None) + certificate != 1:
        raise click.UsageError("give one of --verifier FILE, --certificate and --out FILE")
    if out is not None:
        require_writable(out)
        _write(out, {"DATABASE_URL": add_operator(database_url(), name)}, ca)
        click.echo(f"The operator {name} has a login; its DATABASE_URL is in {out}.")
        return
    verifier = None if file is None else read_verifier(file)
    click.echo(f"The operator {name} has the login {add_login(database_url(), name, verifier)}.")


@command.command()
@click.argument("name")
@click.option("--out", type=FILE, required=True, help="Write the reader's DATABASE_URL here.")
@_ca
def reader(name: str, out: Path, ca: str | None) -> None:
    """Make a login that looks and changes nothing, for monitoring and auditors.

    It sees no content of an application, an event or a mail. DATABASE_URL names a role that
    may create roles. The login is a member of the group <database>_readers. May be run
    again: the login gets a new password.

    Example:
      servicecert db reader nightly --out nightly-url
    """
    require_writable(out)
    _write(out, {"DATABASE_URL": add_reader(database_url(), name)}, ca)
    click.echo(f"The reader {name} has a login; its DATABASE_URL is in {out}.")


def _write(out: Path, urls: Mapping[str, str], ca: str | None) -> None:
    kept = [line for line in out.read_text().splitlines() if line.split("=")[0] not in urls] if out.exists() else []
    lines = [*kept, *(f"{name}={database.url_for_others(url, ca)}" for name, url in urls.items())]
    write_private(out, "".join(f"{line}\n" for line in lines).encode(), replace=True)


def configured_password(service: str, environment: Mapping[str, str]) -> str | None:
    """Return the password that the environment sets for a service's role. Raises UserError for an unreadable file."""
    name = f"SERVICECERT_{service.upper()}_DATABASE_PASSWORD"
    if password := environment.get(name):
        return password
    if not (path := environment.get(f"{name}_FILE")):
        return None
    try:
        return read_secret(Path(path))
    except SecretUnreadable as fault:
        raise UserError(f"{name}_FILE: {fault}.", os.EX_NOINPUT) from None
