"""`make bench`: measures, prints, and writes `var/bench/*.json`."""

import asyncio

if __name__ == "__main__":
    # A measured process imports this module too, and should load no more than it needs.
    from bench import (
        audit,
        budget,
        crl,
        intake,
        issuer,
        lag,
        mail,
        ocsp,
        registers,
        restarts,
        scale,
        signatures,
        whole_way,
    )

    for part in (signatures, registers, intake, issuer, audit, whole_way, scale, restarts, crl, lag):
        asyncio.run(part.measure())
    ocsp.measure()
    mail.run()
    budget.main()
