"""The same faults as in test_faults_database.py with a snapshot: while the database cannot answer, every
answer is what the tables held when the snapshot was taken, and a key that it lacks is temporary in the
maps where a refusal would lose mail. Live again, no answer is the snapshot's."""

import contextlib
import os
import time

import pytest

import processes
from clients import NOTFOUND, OK, TEMP
from processes import wait_until
from snapshots import snapshot_sandbox
from stream import ZONE, Stream


def long(*values):
    """A case of the long form."""
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.fixture(scope="module")
def copied(request):
    """A sandbox with a snapshot that is taken each second."""
    with snapshot_sandbox(request, "workers = 2;") as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _running(copied):
    """A test that fails does not leave the next one without a database."""
    yield
    if copied.mariadb.pid is None:
        copied.mariadb.start()
    copied.sql("FLUSH TABLES")  # see test_faults_database.py


@contextlib.contextmanager
def _stream(sandbox):
    sandbox.empty()
    # fewer rows than an earlier test had would be a case for the guard
    with contextlib.suppress(FileNotFoundError):
        os.unlink(sandbox.file)
    with Stream(sandbox) as stream:
        stream.wait_live()
        yield stream


@contextlib.contextmanager
def _last_copy(sandbox, stream):
    """In the block the database goes away, and with it the possibility of another copy after the block:
    all workers have one that was begun in it."""
    with stream.copying():
        sandbox.copied(30)
        yield


def _settle(sandbox, stream, timeout=10):
    """Waits until all workers answer from the database; then no answer may be the snapshot's."""
    # the keeper may be back before a worker is, which then answers from a copy of this time
    with stream.copying(only=False):
        wait_until(sandbox.answers, timeout, what="all workers are live")
    with stream.live(), stream.phase() as well:
        stream.wait_answers(150)
    assert well.temporary == 0 and well.found > 0 and well.notfound > 0, well


def _is_down(sandbox):
    return not any(": live" in processes.title(pid) for pid in sandbox.workers())


def _answers_go_on(counts):
    """Found keys are found; nobody is refused for a key that is not there, but where that is right."""
    assert counts.found > counts.answers / 5 and counts.temporary > 0, counts


@pytest.mark.parametrize("how, seconds", [("stop", 1), long("stop", 60), long("kill", 60)])
def test_stopped_or_killed(copied, how, seconds):
    with _stream(copied) as stream:
        with _last_copy(copied, stream):
            getattr(copied.mariadb, how)()
        with stream.outage():
            wait_until(lambda: _is_down(copied), 5)
            with stream.phase() as gone:
                stream.wait_answers(100)
                time.sleep(seconds)
            assert copied.query("relay_domains", stream.fixed[0]) == (OK, stream.fixed[0])
            assert copied.query("relay_domains", f"absent.{ZONE}")[0] == TEMP
            assert copied.query("virtual_aliases", f"u@absent.{ZONE}") == (NOTFOUND, "")
            assert "answering from the snapshot of" in processes.title(copied.workers()[0])
        copied.mariadb.start()
        began = time.monotonic()
        wait_until(copied.answers, 5, what="live")
        assert time.monotonic() - began < 2
        _settle(copied, stream)
    stream.check()
    _answers_go_on(gone)
    assert gone.longest < 1.0, gone


@pytest.mark.parametrize("seconds", [1, long(30)])
def test_frozen(copied, seconds):
    with _stream(copied) as stream:
        with _last_copy(copied, stream):
            copied.mariadb.freeze()
            wait_until(lambda: processes._stat(copied.mariadb.pid)[0] == "T", 5)
        try:
            with stream.outage(), stream.phase() as frozen:
                stream.wait_answers(4 * len(stream.clients))
                time.sleep(seconds)
        finally:
            copied.mariadb.cont()
        _settle(copied, stream)
    stream.check()
    _answers_go_on(frozen)


@pytest.mark.parametrize("times", [3, long(60)])
def test_restarted_in_a_loop(copied, times):
    with _stream(copied) as stream:
        with _last_copy(copied, stream):
            for number in range(times):
                copied.mariadb.kill() if number % 2 else copied.mariadb.stop(10)
                stream.wait_answers(50)
                copied.mariadb.start()
                stream.wait_answers(50)
        _settle(copied, stream)
    stream.check()
    _answers_go_on(stream.counts)


def test_password_changed(copied):
    """The keeper is refused like everybody, and the copy that is there is used."""
    with _stream(copied) as stream:
        with _last_copy(copied, stream):
            copied.sql("ALTER USER lookupd@localhost IDENTIFIED BY 'something new'")
            try:
                for (number,) in copied.sql("SELECT id FROM information_schema.PROCESSLIST"
                                            " WHERE user = 'lookupd'"):
                    with contextlib.suppress(Exception):  # it has ended by itself
                        copied.sql(f"KILL {number}")
                wait_until(lambda: _is_down(copied), 5)
                with stream.phase() as refused:
                    stream.wait_answers(300)
            finally:
                copied.sql("ALTER USER lookupd@localhost IDENTIFIED BY ''")
        _settle(copied, stream)
    stream.check()
    _answers_go_on(refused)


@pytest.mark.parametrize("seconds", [1, long(30)])
def test_table_renamed(copied, seconds):
    """Missing for a while, as in the middle of a restore: its maps go on, the others are live."""
    with _stream(copied) as stream:
        with _last_copy(copied, stream), stream.still():
            copied.sql("RENAME TABLE domain TO elsewhere")
            try:
                with stream.phase() as away:
                    stream.wait_answers(100)
                    time.sleep(seconds)
                assert copied.query("relay_domains", f"absent.{ZONE}")[0] == TEMP
                assert copied.query("transport", f"u@{stream.fixed[0]}") == (OK, "relay:")
            finally:
                copied.sql("RENAME TABLE elsewhere TO domain")
        _settle(copied, stream)
    stream.check()
    _answers_go_on(away)


@pytest.mark.long
@pytest.mark.parametrize("seconds", [0, 30])
def test_table_locked(copied, seconds):
    """The snapshot answers at the deadline at the latest."""
    with _stream(copied) as stream, contextlib.closing(copied.connect()) as root, root.cursor() as cursor:
        with _last_copy(copied, stream):
            cursor.execute("LOCK TABLES domain WRITE")
            with stream.phase() as locked:
                wait_until(lambda: locked.found > 30, 20)
                time.sleep(seconds)
            cursor.execute("UNLOCK TABLES")
        _settle(copied, stream)
    stream.check()
