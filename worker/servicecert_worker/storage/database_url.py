"""The one reading of DATABASE_URL, before PostgreSQL's two client libraries read it, each in its own way."""

import re
import ssl
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

_FORM = "postgresql://user:password@host:port/database"
_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ADDRESS = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::(\d{1,5}))?")
_LOOSE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def fault_of(url: str) -> str | None:
    """Return what is wrong with a database's URL, as words that follow its name and quote no part of it but a file.

    None if both libraries can read it.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"has brackets that enclose no IPv6 address: write it as {_FORM}"
    if parts.scheme not in ("postgresql", "postgres") or not url.startswith(f"{parts.scheme}://"):
        return f"is no address of PostgreSQL: write it as {_FORM}"
    if _LOOSE_PERCENT.search(url):
        return "has a % that is no part of a code: write a % of a user or password as %25"
    if "@" not in parts.netloc and "@" in parts.path + parts.query.partition("=")[0] + parts.fragment:
        return "has a /, ? or # in its user or password: write them as %2F, %3F and %23, an @ as %40, a : as %3A"
    found = [_ADDRESS.fullmatch(each) for each in parts.netloc.rpartition("@")[2].split(",")]
    if not all(each is not None and (each[1] is None or 0 < int(each[1]) < 65_536) for each in found):
        return f"has a port that is no number from 1 to 65535: write it as {_FORM}"
    return _fault_of_parameters(parts)


def _fault_of_parameters(parts: SplitResult) -> str | None:
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if not parts.path.strip("/") and not given.get("dbname"):
        return f"names no database: write it as {_FORM}"
    if (mode := given.get("sslmode", "disable")) not in _SSLMODES:
        return f"has an sslmode that does not exist: use one of {', '.join(_SSLMODES)}; verify-full is the safe one"
    for name in ("sslrootcert", "sslcert", "sslkey"):
        if (file := given.get(name)) is not None and file != "system" and mode != "disable":
            try:
                with Path(file).open("rb"):
                    if name == "sslrootcert":
                        ssl.create_default_context(cafile=file)
            except OSError:
                what = " or holds no certificate in PEM" if name == "sslrootcert" else ""
                return f"names a file that cannot be read{what}: correct {name}={file}"
    return None
