"""A process of django-ca, run by its Python: `django_ca_worker.py TASK prepare` makes the tables and imports the CA.

With its number it warms up, writes `ready`, and issues its share of the task as soon as it reads a line. Its settings
are django-ca's own, except for the database, the folder of keys, and the host name in the certificates' addresses.
"""

import json
import secrets
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.urls import include, path

NAME = "bench"
urlpatterns: list[Any] = []


def main(task_file: str, role: str) -> None:
    task = json.loads(Path(task_file).read_text())
    url = urlsplit(task["database"])
    address = {"HOST": url.hostname, "PORT": url.port, "USER": url.username, "PASSWORD": url.password}
    storage = "django.core.files.storage.FileSystemStorage"
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(),
        USE_TZ=True,
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], **address}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_object_actions", "django_ca"],
        STORAGES={"django-ca": {"BACKEND": storage, "OPTIONS": {"location": task["folder"]}}},
        CA_DEFAULT_HOSTNAME="ca.bench.example",
    )
    django.setup()
    urlpatterns.append(path("", include("django_ca.urls")))
    if role == "prepare":
        call_command("migrate", verbosity=0)
        call_command("import_ca", NAME, task["key"], task["certificate"])
    else:
        work(task, int(role))


def work(task: dict[str, Any], share: int) -> None:
    # Models can be imported only after the settings.
    from cryptography import x509
    from cryptography.x509.oid import NameOID
    from django_ca.models import Certificate, CertificateAuthority
    from django_ca.profiles import profiles

    ca = CertificateAuthority.objects.get(name=NAME)
    options = ca.key_backend.get_use_private_key_options(ca, {})
    csrs, hosts = task["csrs"], task["hosts"]

    def issue(number: int) -> str:
        host = hosts[number % len(hosts)]
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        csr = x509.load_pem_x509_csr(csrs[number % len(csrs)].encode())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        extensions = [x509.Extension(names.oid, False, names)]
        certificate = Certificate.objects.create_cert(
            ca, options, csr, profiles["server"], subject=subject, extensions=extensions
        )
        return str(certificate.pub.pem)

    for number in range(task["warm_up"]):
        issue(number)
    print("ready", flush=True)
    sys.stdin.readline()
    pems = {number: issue(number) for number in range(share, len(hosts), task["processes"])}
    last = max(pems)
    print(json.dumps({"number": last, "pem": pems[last]}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
