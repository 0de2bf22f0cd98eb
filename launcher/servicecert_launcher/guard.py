"""Runs one command that ends with its launcher, however the launcher ends.

A launcher killed with -9 cannot clean up; a death signal set by `prctl` belongs to one of its threads and is lost when
the user changes; a server can leave the process group. So this small process stands between command and launcher. It
runs from its file alone (`python -I -S guard.py`), imports only the standard library, and starts in some 15 ms.

    guard.py END_SIGNAL ACCOUNT REMOVE COMMAND...

    END_SIGNAL  number of the signal that the command gets when the launcher has ended; SIGKILL follows after 5 s
    ACCOUNT     `uid:gid` to run the command as, or `-`
    REMOVE      a folder to remove when the launcher has ended, or `-`

Standard input is a pipe that the launcher holds: each line is the number of a signal for the command's process group;
its end means that the launcher ended. Standard output gets one line: the command's process id, or `cannot run: …`.
Standard error is the command's standard output and error. The exit status is the command's, 128 + n after signal n.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import time

LAUNCHER = 0
GRACE_SECONDS = 5.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
ON_LINUX = sys.platform.startswith("linux")


def prctl(option: int, value: int) -> None:
    """Set a process attribute; on Linux only."""
    if ON_LINUX:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def become(account: str) -> None:
    """Change to the user and group `uid:gid` for good; `-` changes nothing."""
    if account != "-":
        uid, gid = map(int, account.split(":"))
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)


def spawn(command: list[str], account: str, end_signal: int) -> int:
    """Start the command as leader of its own session. Return its process id; raise OSError if it cannot run."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            become(account)
            # After the change of user, which would clear it. The guard has one thread, so the signal means its death.
            prctl(PR_SET_PDEATHSIG, end_signal)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execvp(command[0], command)
        except OSError as error:
            os.write(write_end, str(error).encode())
        os._exit(127)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        reason = pipe.read().decode()
    if reason:
        os.waitpid(pid, 0)
        raise OSError(reason)
    return pid


def reap(pid: int) -> int | None:
    """Reap every dead child; return the command's exit status once it is among them."""
    while True:
        try:
            dead, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 127
        if dead == 0:
            return None
        if dead == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def children() -> list[int]:
    """Return the guard's child processes. As subreaper it inherits orphans of the command."""
    pids = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as stat:
                if int(stat.read().rpartition(")")[2].split()[1]) == os.getpid():
                    pids.append(int(entry))
    return pids


def sweep() -> None:
    """Kill all orphans of the command, and their orphans in turn."""
    while ON_LINUX and (left := children()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def watch(pid: int, end_signal: int) -> tuple[int, bool]:
    """Pass signals on until the command ends. Return its exit status, and whether the launcher has ended."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)

    def send(number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)

    orphaned, deadline = False, float("inf")
    while (status := reap(pid)) is None:
        wait = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([woken] if orphaned else [woken, LAUNCHER], [], [], wait)
        asked_to_end = woken in ready and set(os.read(woken, 512)) - {signal.SIGCHLD}
        orders = os.read(LAUNCHER, 512) if LAUNCHER in ready else b"\n"
        for order in orders.split():
            send(int(order))
        orphaned = orphaned or not orders
        if (asked_to_end or orphaned) and deadline == float("inf"):
            deadline = time.monotonic() + GRACE_SECONDS
            send(end_signal)
            send(signal.SIGCONT)
        elif time.monotonic() >= deadline:
            send(signal.SIGKILL)
            deadline = time.monotonic() + GRACE_SECONDS
    return status, orphaned


def main(arguments: list[str]) -> int:
    end_signal, account, remove, *command = arguments
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        pid = spawn(command, account, int(end_signal))
    except OSError as error:
        print(f"cannot run: {error}", flush=True)
        return 127
    print(pid, flush=True)
    status, orphaned = watch(pid, int(end_signal))
    sweep()
    if orphaned and remove != "-":
        shutil.rmtree(remove, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
