"""What tests need to know about processes, from /proc: children, memory, descriptors, waiting."""

import os
import signal
import time


def wait_until(condition, timeout=10.0, interval=0.02, what=None):
    """Calls condition until it returns something true, which is returned; AssertionError after
    timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {timeout} s still not: {what or condition}")
        time.sleep(interval)


def _stat(pid):
    """The fields of /proc/PID/stat from the third on (the second, the name, may hold blanks)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def is_alive(pid):
    """False for zombies: a machine without a real init may be slow to collect them."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid):
    """The living children, in the order of their ids."""
    found = []
    for other in all_pids():
        fields = _stat(other)
        if fields and fields[0] not in "ZX" and int(fields[1]) == pid:
            found.append(other)
    return sorted(found)


def title(pid):
    """What ps shows: the arguments, or what setproctitle() made of them."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def rss_kib(pid):
    """Resident memory in KiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError(f"process {pid} has no memory")


def fd_count(pid):
    """The number of open descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def end(pids, timeout, how=signal.SIGTERM):
    """Asks processes to end, and kills those that have not after timeout seconds. A stopped one is
    continued. Returns those that had to be killed."""
    for pid in pids:
        _signal(pid, how)
        _signal(pid, signal.SIGCONT)
    limit = time.monotonic() + timeout
    while any(is_alive(pid) for pid in pids) and time.monotonic() < limit:
        time.sleep(0.02)
    late = [pid for pid in pids if is_alive(pid)]
    for pid in late:
        _signal(pid, signal.SIGKILL)
    if late:
        wait_until(lambda: not any(is_alive(pid) for pid in late), 10, what=f"{late} dead")
    return late


class Adopted:
    """A running process that is not our child, with the part of Popen's interface we use."""

    def __init__(self, pid):
        self.pid = pid

    def poll(self):
        return None if is_alive(self.pid) else 0

    def terminate(self):
        _signal(self.pid, signal.SIGTERM)

    def kill(self):
        _signal(self.pid, signal.SIGKILL)

    def wait(self, timeout=30):
        wait_until(lambda: not is_alive(self.pid), timeout, what=f"process {self.pid} ended")
        return 0
