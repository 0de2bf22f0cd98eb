"""`make bench`: measures, says, and leaves `var/bench/*.json`."""

import asyncio

from bench import audit, crl, intake, issuer, mail, ocsp, registers, whole_way

if __name__ == "__main__":
    asyncio.run(registers.measure())
    asyncio.run(intake.measure())
    asyncio.run(issuer.measure())
    asyncio.run(audit.measure())
    asyncio.run(whole_way.measure())
    asyncio.run(crl.measure())
    ocsp.measure()
    mail.run()
