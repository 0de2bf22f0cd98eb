"""`make bench`: measures, says, and leaves `var/bench/*.json`."""

import asyncio

if __name__ == "__main__":
    # A process that is started to be measured imports this module too, and is to have no more in its memory than it needs.
    from bench import audit, crl, intake, issuer, mail, ocsp, registers, whole_way

    for part in (registers, intake, issuer, audit, whole_way, crl):
        asyncio.run(part.measure())
    ocsp.measure()
    mail.run()
