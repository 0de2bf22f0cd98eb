"""`make bench`: measures, says, and leaves `var/bench/*.json`."""

import asyncio

from bench import whole_way

if __name__ == "__main__":
    asyncio.run(whole_way.measure())
