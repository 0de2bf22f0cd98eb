"""`make bench`: measures, prints, and writes `var/bench/*.json`.

python -m bench                           # everything but the sizes that take hours
python -m bench crl ocsp --share 0.05     # a short trial of some parts: every count is that share
"""

import argparse
from importlib import import_module

import uvloop

PARTS = ("signatures", "registers", "alone", "whole_way", "size", "restore", "crl", "ocsp")

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    options.add_argument("--share", type=float, default=1.0, help="of every count, for a short trial")
    given = options.parse_args()
    for part in given.parts:
        # A measured process imports this module too, and should load no more than it needs.
        uvloop.run(import_module(f"bench.{part}").measure(given.share))
