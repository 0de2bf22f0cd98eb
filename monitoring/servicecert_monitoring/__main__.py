"""`make dashboards`: writes Grafana's JSON, runs a system with some load, and draws `var/dashboards/index.html`."""

import argparse
import asyncio
import sys
from pathlib import Path

from servicecert_worker.core.faults import operator_message

from . import DASHBOARDS, grafana

FOLDER = Path("var/dashboards")


async def _draw(seconds: float) -> None:
    # Matplotlib is there only if something is drawn.
    from servicecert_launcher.prometheus import find_prometheus

    from . import page
    from .recording import recorded

    find_prometheus()
    print(f"dashboards: a system runs for {seconds:.0f} s, and Prometheus watches it …", flush=True)
    async with recorded(FOLDER, seconds) as recording:
        answers = await recording.all_answers(DASHBOARDS)
        path = page.write(FOLDER, recording, answers)
    print(f"dashboards: {len(answers)} pictures in {path}")


def main() -> None:
    """Run the command. Exits with 69 where there is no Prometheus."""
    parser = argparse.ArgumentParser(prog="python -m servicecert_monitoring", description=__doc__)
    parser.add_argument("--json", action="store_true", help="write Grafana's JSON only")
    parser.add_argument("--seconds", type=float, default=150, help="how long the system runs (150)")
    options = parser.parse_args()
    for path, content in grafana.files(DASHBOARDS).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    if options.json:
        return
    try:
        asyncio.run(_draw(options.seconds))
    except Exception as error:
        if (found := operator_message(error)) is None:
            raise
        sentence, code = found
        print(f"dashboards: {sentence}", file=sys.stderr)
        sys.exit(code)


if __name__ == "__main__":
    main()
