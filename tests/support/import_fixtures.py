"""Fixtures of the tests of lookupd-import: pytest_plugins = ("import_fixtures", "sql_fixtures").

root       a session of root's, with empty tables, two sources and the relay hq
site       a name server's files and an importer for it, the source bind:ns2
"""

import pytest

from importing import Site, prepare
from sql import fresh


@pytest.fixture
def root(mariadb):
    connection = fresh(mariadb)
    prepare(connection)
    yield connection
    connection.close()


@pytest.fixture
def site(folder, mariadb, root):
    return Site(folder, mariadb)
