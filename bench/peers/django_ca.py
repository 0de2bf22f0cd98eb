"""django-ca: processes that call `Certificate.objects.create_cert`, run by its own Python.

Its settings are its own, except for the database, the folder of keys, and the host name in the certificates' addresses.
"""

import json
import os
import secrets
import sys
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.urls import include, path

NAME = "bench"
TASK = json.loads(Path(sys.argv[1]).read_text())
urlpatterns: list[Any] = []


def main() -> None:
    url = urlsplit(TASK["database"])
    address = {"HOST": url.hostname, "PORT": url.port, "USER": url.username, "PASSWORD": url.password}
    storage = "django.core.files.storage.FileSystemStorage"
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(),
        USE_TZ=True,
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], **address}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_object_actions", "django_ca"],
        STORAGES={"django-ca": {"BACKEND": storage, "OPTIONS": {"location": TASK["folder"]}}},
        CA_DEFAULT_HOSTNAME="ca.bench.example",
    )
    django.setup()
    urlpatterns.append(path("", include("django_ca.urls")))
    call_command("migrate", verbosity=0)
    call_command("import_ca", NAME, TASK["key"], TASK["certificate"])
    # No process may use the connection of another.
    django.db.connections.close_all()
    count = len(TASK["hosts"])
    with get_context("fork").Pool(os.cpu_count()) as pool:
        pool.map(issue, range(max(20, count // 10)))
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(pool.map(issue, range(count))[-1]), flush=True)
        sys.stdin.read()


@cache
def authority() -> tuple[Any, Any]:
    # Models can be imported only after the settings.
    from django_ca.models import CertificateAuthority

    ca = CertificateAuthority.objects.get(name=NAME)
    return ca, ca.key_backend.get_use_private_key_options(ca, {})


def issue(number: int) -> str:
    from cryptography import x509
    from django_ca.models import Certificate
    from django_ca.profiles import profiles

    host, csrs = TASK["hosts"][number % len(TASK["hosts"])], TASK["csrs"]
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    certificate = Certificate.objects.create_cert(
        *authority(),
        x509.load_pem_x509_csr(csrs[number % len(csrs)].encode()),
        profiles["server"],
        subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)]),
        extensions=[x509.Extension(names.oid, False, names)],
    )
    return str(certificate.pub.pem)


if __name__ == "__main__":
    main()
