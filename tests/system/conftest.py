"""Fixtures of the system tests: real servers only, private ones, each in a folder of its own.

mariadb       a MariaDB server for the whole run, without tables
database      the same with an empty schema, made anew for each test that asks for it
sandbox       MariaDB and lookupd (scripts/sandbox), one for each test file; empty tables for each
              test. A file's SANDBOX_SETTINGS = "…" is what --settings would hold.
new_sandbox   a function that makes another one: new_sandbox("workers = 1;")
"""

import contextlib
import os
import shutil
import sys
import tempfile

import pymysql
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

if "BUILD" in os.environ:  # tests and scripts run in other folders than this
    os.environ["BUILD"] = os.path.abspath(os.environ["BUILD"])

from private_mariadb import PrivateMariaDB  # noqa: E402
from sandbox import DATABASE, SCHEMA, Sandbox  # noqa: E402
from stream import Stream  # noqa: E402


def new_folder(prefix="lookupd-"):
    """A folder that every user may enter (pytest's own are only for their owner), with a short path:
    unix sockets are made in it."""
    folder = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
    os.chmod(folder, 0o755)
    return folder


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the tests marked long too")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; runs only with --long")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        late = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=late)
        items[:] = [item for item in items if item not in late]


def pytest_terminal_summary(terminalreporter):
    """What tests have measured, also those that passed."""
    # of the last phase, which pytest puts nowhere: it knows all that was recorded
    for report in terminalreporter.getreports(""):
        for name, text in report.user_properties if report.when == "teardown" else ():
            if name == "figures":
                terminalreporter.write_line(f"{report.nodeid}: {text}")


@pytest.fixture
def figures(record_property):
    """To be called with a text for the end of the run."""
    return lambda text: record_property("figures", text)


@pytest.fixture(autouse=True)
def _counts(request, figures):
    """What streams have counted is shown of the long forms."""
    Stream.checked.clear()
    yield
    if request.node.get_closest_marker("long"):
        for counts in Stream.checked:
            figures(counts)


@pytest.fixture
def folder():
    """A folder for one test."""
    path = new_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb():
    path = new_folder("lookupd-mariadb-")
    server = PrivateMariaDB(path)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def database(mariadb):
    # a test that failed may have left a transaction open, and DROP DATABASE would wait for its locks
    with mariadb.connect(database=None) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()"
                       " AND user <> 'system user' AND command <> 'Daemon'")
        for (other,) in cursor.fetchall():
            try:
                cursor.execute(f"KILL {other}")
            except pymysql.MySQLError:
                pass  # it has ended by itself
    mariadb.load(DATABASE, SCHEMA)
    yield mariadb


def _end(sandbox, failed):
    """Takes a sandbox down; the log of a lookupd whose test failed is shown with it."""
    try:
        sandbox.stop_lookupd()
    finally:
        if failed:
            print(f"--- {sandbox.log}\n{sandbox.log_text()[-20000:]}", file=sys.stderr)
        sandbox.down()
        shutil.rmtree(sandbox.directory, ignore_errors=True)


def _started(settings):
    sandbox = Sandbox(new_folder())
    try:
        sandbox.up(settings)
    except BaseException:
        _end(sandbox, True)
        raise
    return sandbox


@contextlib.contextmanager
def brought_up(request, make, *texts):
    """What make(folder) makes, between its up() and its down(). What each of texts returns of it, a
    log, is shown when a test failed."""
    folder = new_folder()
    made = make(folder)
    before = request.session.testsfailed
    try:
        made.up()
        yield made
    finally:
        made.down()
        if request.session.testsfailed > before:
            print(*(text(made) for text in texts), sep="\n---\n")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def _module_sandbox(request):
    sandbox = _started(getattr(request.module, "SANDBOX_SETTINGS", ""))
    before = request.session.testsfailed
    yield sandbox
    _end(sandbox, request.session.testsfailed > before)


@pytest.fixture
def sandbox(_module_sandbox):
    _module_sandbox.empty()
    yield _module_sandbox


@pytest.fixture
def new_sandbox(request):
    made = []
    before = request.session.testsfailed

    def make(settings=""):
        made.append(_started(settings))
        return made[-1]

    yield make
    for each in made:
        _end(each, request.session.testsfailed > before)
