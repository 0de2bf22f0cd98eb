"""The decisions of a rolling restart."""

from servicecert_cli.stand.rollout import PATIENCE_SECONDS, Finished, Restart, Restarted, Stuck, begin, step

ALL = {"issuer": True, "issuer-2": True, "ocsp": True}
NAMES = tuple(ALL)


def test_one_after_another_is_restarted_and_the_next_only_once_all_work():
    rollout, now = begin(NAMES, 0.0), 0.0
    steps: list[object] = []
    while not isinstance(steps[-1] if steps else None, Finished):
        rollout, done = step(rollout, ALL, now)
        steps.append(done)
        if isinstance(done, Restart):
            now += 1
            rollout, done = step(rollout, {**ALL, done.name: False}, now)
            assert done is None
            now += 2
    assert steps == [
        Restart("issuer"),
        Restarted("issuer", 3.0),
        Restart("issuer-2"),
        Restarted("issuer-2", 3.0),
        Restart("ocsp"),
        Restarted("ocsp", 3.0),
        Finished(9.0),
    ]


def test_nothing_is_stopped_while_any_other_process_does_not_work():
    rollout = begin(NAMES, 0.0)
    assert step(rollout, {**ALL, "ocsp": False}, 5.0) == (rollout, None)
    assert step(rollout, ALL, 5.0)[1] == Restart("issuer")


def test_it_ends_if_a_process_does_not_work_before_it_begins():
    _, done = step(begin(NAMES, 0.0), {**ALL, "ocsp": False}, PATIENCE_SECONDS + 1)
    assert done == Stuck("ocsp", NAMES)


def test_it_ends_at_a_process_that_does_not_come_back():
    rollout, _ = step(begin(NAMES, 0.0), ALL, 0.0)
    missing = {**ALL, "issuer": False}
    assert step(rollout, missing, PATIENCE_SECONDS)[1] is None
    assert step(rollout, missing, PATIENCE_SECONDS + 1)[1] == Stuck("issuer", ("issuer-2", "ocsp"))


def test_its_progress_is_shown():
    rollout = begin(NAMES, 0.0)
    assert rollout.words() == "rolling restart: waiting for all, 0 of 3"
    rollout, _ = step(rollout, ALL, 0.0)
    assert rollout.words() == "rolling restart: issuer, 1 of 3"
