"""One start at a time fills Kafka's cache; the next one waits and reports it."""

import threading
from pathlib import Path

import pytest
from servicecert_launcher import DeployError
from servicecert_launcher.java import Java, locked, make_start_cache
from servicecert_launcher.reports import silent


def test_a_second_start_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    waits = threading.Event()
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path, lambda _: waits.set()):
            order.append("second")

    with locked(tmp_path, silent):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(30)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_cache_folder_that_cannot_be_one_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with (
        pytest.raises(DeployError, match=r"cache folder .* cannot be used \(Not a directory\)"),
        locked(file / "in", silent),
    ):
        pass


def test_a_new_start_cache_takes_the_place_of_the_old_ones(tmp_path: Path) -> None:
    (tmp_path / "start-old.aot").touch()

    def train(java: Java, file: Path) -> None:
        file.write_bytes(b"trained")

    file = tmp_path / "start-new.aot"
    assert make_start_cache(Java(Path("java"), ""), file, train)
    assert [entry.name for entry in tmp_path.iterdir()] == ["start-new.aot"]


def test_the_command_line_uses_the_start_cache_if_there_is_one() -> None:
    assert "-XX:AOTCache=kept.aot" in Java(Path("java"), "jars", Path("kept.aot")).command("kafka.Kafka")
    assert not any("AOTCache" in word for word in Java(Path("java"), "jars").command("kafka.Kafka"))
