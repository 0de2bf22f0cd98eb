"""Object storage behind a socket: moto's S3 with its signatures checked, and what can go wrong on the way to it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import boto3
import obstore
import pytest
from moto import settings as moto_settings
from moto.server import DomainDispatcherApplication, create_backend_app
from servicecert_pki.issuer import IssuerInfo
from servicecert_revoker.crl.s3_publisher import S3Publisher
from servicecert_revoker.settings import S3Settings
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "eu-north-1"
Answer = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass


@dataclass
class Gateway:
    """A gateway to the storage. It answers a `fault` itself, hides buckets with `hides`, cuts answers with `ends`.

    `before` is called once before the next put; the share `keeps` of an upload arrives; without `conditional` it
    supports no conditions.
    """

    storage: Answer
    fault: int | None = None
    hides: bool = False
    ends: bool = False
    keeps: float = 1.0
    conditional: bool = True
    before: Callable[[], object] | None = None
    answered: list[tuple[str, int]] = field(default_factory=list)

    def heal(self) -> None:
        """Reset all faults."""
        vars(self).update(vars(Gateway(self.storage)))

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]

        def noted(status: str, *rest: Any) -> Any:
            self.answered.append((method, int(status.split()[0])))
            return start(status, *rest)

        if (fault := self._fault(environ)) is not None:
            code = "NoSuchBucket" if fault == 404 else "InternalError"
            noted(f"{fault} Fault", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>A secret of the storage</Message></Error>".encode()]
        if method == "PUT":
            before, self.before = self.before, None
            if before is not None:
                before()
            kept = environ["wsgi.input"].read(int(int(environ["CONTENT_LENGTH"]) * self.keeps))
            environ |= {"wsgi.input": BytesIO(kept), "CONTENT_LENGTH": str(len(kept))}
        answer = b"".join(self.storage(environ, noted))
        return [answer[: len(answer) // 2] if self.ends else answer]

    def _fault(self, environ: dict[str, Any]) -> int | None:
        if self.fault is not None:
            return self.fault
        if self.hides:
            return 404
        conditional = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"} & environ.keys()
        return 501 if environ["REQUEST_METHOD"] == "PUT" and conditional and not self.conditional else None


@dataclass(frozen=True)
class Storage:
    """A running one, and a key that it accepts."""

    endpoint: str
    gateway: Gateway
    key: str
    secret: str

    def bucket(self, folder: Path, issuer: IssuerInfo, *, made: bool = True, **settings: Any) -> Bucket:
        """A bucket of one's own, with the CRLs of this CA."""
        name = f"crls-{uuid4().hex}"
        if made:
            self.make(name)
        secret = folder / f"{name}.secret"
        secret.write_text(f"{self.secret}\n")
        secret.chmod(0o600)
        given = S3Settings(
            crl_s3_endpoint=self.endpoint,
            crl_s3_bucket=name,
            crl_s3_region=REGION,
            crl_s3_access_key_id=self.key,
            crl_s3_secret_access_key_file=secret,
            **settings,
        )
        return Bucket(self, name, given, issuer)

    def make(self, name: str) -> None:
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})


@dataclass(frozen=True)
class Bucket:
    storage: Storage
    name: str
    settings: S3Settings
    issuer: IssuerInfo

    @property
    def publisher(self) -> S3Publisher:
        """As a revoker that was just started has it."""
        found = S3Settings(**self.settings.model_dump()).s3_publisher
        assert found is not None
        return found

    def lay(self, file: str, content: bytes) -> None:
        """Put something there behind everybody's back."""
        obstore.put(self.publisher.store, file, content)

    def remove(self, file: str) -> None:
        obstore.delete(self.publisher.store, file)

    def read(self, file: str) -> bytes | None:
        try:
            return bytes(obstore.get(self.publisher.store, file).bytes())
        except FileNotFoundError:
            return None

    def headers(self, file: str) -> dict[str, str]:
        return dict(obstore.get(self.publisher.store, file).attributes)

    def given(self, **changes: Any) -> Bucket:
        return replace(self, settings=S3Settings(**{**self.settings.model_dump(), **changes}))


@contextmanager
def storage() -> Iterator[Storage]:
    """Serve until the context ends. Whose signature is not that of the key is refused."""
    gateway = Gateway(DomainDispatcherApplication(create_backend_app))
    with serving(gateway) as port, pytest.MonkeyPatch.context() as patch:
        endpoint = f"http://127.0.0.1:{port}"
        key, secret = _key(endpoint)
        patch.setattr(moto_settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
        yield Storage(endpoint, gateway, key, secret)


@contextmanager
def serving(gateway: Gateway, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The gateway at a port of its own."""
    server = make_server("127.0.0.1", 0, gateway, threaded=True, request_handler=Quiet, ssl_context=tls)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _key(endpoint: str) -> tuple[str, str]:
    """A user's, who may do everything with buckets, and nothing else."""
    iam = boto3.client(
        "iam", endpoint_url=endpoint, region_name=REGION, aws_access_key_id="first", aws_secret_access_key="first"
    )
    allowed = {"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}
    iam.create_user(UserName="revoker")
    iam.put_user_policy(
        UserName="revoker",
        PolicyName="buckets",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    made = iam.create_access_key(UserName="revoker")["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]
