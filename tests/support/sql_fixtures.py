"""Fixtures of tests that write as a person does: pytest_plugins = ("sql_fixtures",).

admin      a session of an administrator's
operator   a session of an operator's

Both follow the root of the test's own file, which says what the tables hold: pytest knows one fixture
of each name of all plugins, and so there is none here.
"""

import pytest

from sql import ADMIN, OPERATOR


@pytest.fixture
def admin(mariadb, root):
    connection = mariadb.connect(ADMIN)
    yield connection
    connection.close()


@pytest.fixture
def operator(mariadb, root):
    connection = mariadb.connect(OPERATOR)
    yield connection
    connection.close()
