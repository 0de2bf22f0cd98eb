"""From the exporter's figures to a finding: what Prometheus would say of them, from both sides of each limit."""

import re

import pytest
from cli.watching.doctor.judging import CRITICAL, OK, WARNING, holds, judged
from prometheus_client.samples import Sample
from servicecert_cli.watching.conditions import CONDITIONS
from servicecert_cli.watching.doctor.domain.figures import metric
from servicecert_cli.watching.doctor.facts import figures as facts
from servicecert_cli.watching.lag.metrics import figures


def of(name, value, **labels):
    return Sample(metric(CONDITIONS[name]), labels, value)


@pytest.mark.parametrize(
    ("name", "values", "severity", "words"),
    [
        ("OutboxStuck", (0, 60), OK, "It is 60 s; the limit is 60 s."),
        ("OutboxStuck", (0, 61), CRITICAL, "revoker has decided what is not in its journal and topics for 61 s."),
        ("IntentsStuck", (599, 600), OK, "It is 10 min; the limit is 10 min."),
        ("IntentsStuck", (601, 900), WARNING, "decided on. revoker has not done an act for 15 min"),
        ("DeadlinesLate", (0, 601), WARNING, "A deadline of revoker passed 10 min ago"),
        ("AuditUnsigned", (0, 601), WARNING, "The audit of revoker is not signed for 10 min."),
        ("Parked", (0, 0), OK, "No record is parked."),
        ("Parked", (0, 3), WARNING, "3 records of revoker are parked"),
        ("LagHigh", (0, 61), WARNING, "revoker is behind: the oldest event waits for 61 s."),
        ("ServiceDown", (1, 2), OK, "Each service has a worker."),
    ],
)
def test_each_service_is_judged(name, values, severity, words):
    samples = [of(name, value, service=each) for value, each in zip(values, ("issuer", "revoker"), strict=True)]
    check = judged(name, [Sample("another", {}, 9e9), *samples])
    holds(check, severity, words)


@pytest.mark.parametrize(("found", "severity"), [(0, OK), (1, CRITICAL)])
def test_B4_a_certificate_that_fails_the_nightly_check_is_told(found, severity):
    words = "1 issued certificates failed the nightly check" if found else "found another certificate"
    holds(judged("CertificateFaulty", [of("CertificateFaulty", found)]), severity, words)


def test_a_service_without_workers():
    check = judged("ServiceDown", [of("ServiceDown", 0, job="issuer"), of("ServiceDown", 2, job="intake")])
    holds(check, CRITICAL, "No worker of issuer runs")
    assert check.remedy == "Start one: its unit, or `servicecert run issuer`."


@pytest.mark.parametrize(("seconds", "name"), [(600, None), (601, "RevocationSlow"), (43_201, "RevocationNear")])
def test_D4_an_open_revocation_is_one_condition_at_a_time(seconds, name):
    for each in ("RevocationSlow", "RevocationNear"):
        severity = OK if each != name else WARNING if name == "RevocationSlow" else CRITICAL
        holds(judged(each, [of(each, seconds)]), severity, "" if severity is OK else "A revocation is not visible")


@pytest.mark.parametrize(("left", "name"), [(86_400, None), (0, "DeliveryNear"), (-1, "DeliveryLate")])
def test_A13_a_delivery_is_one_condition_at_a_time(left, name):
    for each in ("DeliveryNear", "DeliveryLate"):
        samples = [of(each, left, clock="delivery"), of(each, -9e9, clock="completion")]
        assert (judged(each, samples).severity is OK) == (each != name)
        assert judged(each, []).severity is OK


def test_reasons_are_summed_up():
    samples = [of("Parked", 1, service="intake", reason=reason) for reason in ("no-event", "junk")]
    holds(judged("Parked", samples), WARNING, "2 records of intake are parked")


@pytest.mark.parametrize("name", sorted(facts.LOOKS))
def test_what_a_condition_says_needs_no_label_that_its_figure_lacks(name):
    """Else the doctor fails at the moment at which it matters."""
    condition = CONDITIONS[name]
    labels = {each.name: each.labels for each in figures()}.get(metric(condition), ("group", "service", "job"))
    wanted = dict(re.findall(r'(\w+)="(\w+)"', condition.when))
    value = next(it for it in (0, condition.limit - 1, condition.limit + 1) if condition.is_wrong(it))
    check = judged(name, [of(name, value, **dict.fromkeys(labels, "x") | wanted)])
    holds(check, condition.severity)
    assert "{" not in check.finding + check.remedy


@pytest.mark.parametrize("name", sorted(facts.LOOKS))
def test_good_news_is_a_sentence_of_its_own(name):
    condition = CONDITIONS[name]
    assert condition.well or "{value:" in condition.says, "say what is well"
    holds(judged(name, []), OK, condition.well or "There is nothing to measure.")
