"""Parts of expressions that many panels share."""

RATE = "$__rate_interval"
"""Grafana's time span of a rate: at least four scrapes."""


def rate(metric: str, by: str, matching: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{_braced(matching)}[{RATE}]))"


def increase(metric: str, by: str, matching: str = "", span: str = "1h") -> str:
    """Return the increase of a counter over a time, summed by labels; 0 named `none` where nothing was counted."""
    return or_none(f"sum by ({by}) (increase({metric}{_braced(matching)}[{span}]))", by)


def or_none(expr: str, label: str) -> str:
    """Return the expression, or 0 with `none` as its first label where it has no series: nothing was counted."""
    first = label.partition(",")[0]
    return f'{expr} or on () label_replace(vector(0), "{first}", "none", "", "")'


def quantile(share: float, histogram: str, by: str, matching: str = "", span: str = RATE) -> str:
    """Return a quantile of a histogram by labels; without a value where nothing was observed."""
    buckets = f"sum by ({by}, le) (rate({histogram}_bucket{_braced(matching)}[{span}]))"
    return f"histogram_quantile({share}, {buckets})"


def percentiles(histogram: str, by: str, matching: str, span: str = RATE) -> dict[str, str]:
    """Return the median and the 99th percentile of a histogram, by their names."""
    shares = {"median": 0.5, "99th percentile": 0.99}
    return {name: quantile(share, histogram, by, matching, span) for name, share in shares.items()}


def by_ca(aggregate: str, metric: str) -> str:
    """Return a metric of CRLs by CA, the first part of a CRL's name: of its full CRL and of its partitions."""
    return f'{aggregate} by (ca) (label_replace({metric}, "ca", "$1", "crl", "([^.]+)\\\\..*"))'


def _braced(matching: str) -> str:
    return f"{{{matching}}}" if matching else ""
