"""What becomes of lookups when something is wrong with the database: temporary, never "not found",
in time; and live again by itself."""

import collections
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from clients import NOTFOUND, OK, TEMP, SocketmapClient
from processes import wait_until

SANDBOX_SETTINGS = "workers = 1;"
DEADLINE = 2.0


def _fill(sandbox):
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com'), ('d2.example.com')")
    return sandbox


def _timed(client, name="relay_domains", key="d1.example.com"):
    begun = time.monotonic()
    return client.query(name, key), time.monotonic() - begun


def _is_live(sandbox):
    return sandbox.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")


def _connections(sandbox):
    """Ids of lookupd's."""
    rows = sandbox.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'lookupd'")
    return {number for (number,) in rows}


def _kill_connections(sandbox):
    """Returns the ids that they had."""
    killed = _connections(sandbox)
    with sandbox.connect() as connection, connection.cursor() as cursor:
        for number in killed:
            try:
                cursor.execute(f"KILL {number}")
            except Exception:  # it has ended by itself
                pass
    return killed


def _set_global(sandbox, setting):
    """Sets a global variable ("name = value"); returns what sets it back."""
    name = setting.split(" =")[0]
    (value,), = sandbox.sql(f"SELECT @@GLOBAL.{name}")
    sandbox.sql(f"SET GLOBAL {setting}")
    return f"{name} = {value!r}" if value != "DEFAULT" else f"{name} = DEFAULT"


def _run(sandbox, *arguments):
    """Runs lookupd to its end: (exit code, standard output, standard error)."""
    done = subprocess.run([os.path.join(sandbox.programs, "lookupd"), *arguments],
                          capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def test_database_stopped_and_back(new_sandbox):
    """Stopped: temporary at once. Back: live within a second, on the same client connection."""
    sandbox = _fill(new_sandbox())
    with sandbox.socketmap() as client, sandbox.tcp_table("transport") as table:
        assert client.query("relay_domains", "d1.example.com")[0] == OK
        sandbox.mariadb.stop()
        for number in range(20):
            answer, seconds = _timed(client, key=f"d{number % 3}.example.com")
            assert answer[0] == TEMP
            assert seconds < DEADLINE + 0.2
        time.sleep(1)
        for _ in range(20):
            answer, seconds = _timed(client)
            assert answer[0] == TEMP and seconds < 0.1
        assert table.query("u@d1.example.com")[0] == TEMP
        # what cannot be a name needs no database
        assert client.query("transport", "*") == (NOTFOUND, "")
        sandbox.mariadb.start()
        wait_until(lambda: client.query("relay_domains", "d1.example.com")[0] == OK, 1.2,
                   what="live again")
        assert client.query("relay_domains", "nowhere.example") == (NOTFOUND, "")
    assert sandbox.log_text().count("cannot connect") < 30


def test_database_not_there_at_start(new_sandbox):
    """lookupd starts without its database, answers temporary errors, and finds it later."""
    sandbox = _fill(new_sandbox("workers = 2;"))
    sandbox.stop_lookupd()
    sandbox.mariadb.stop()
    sandbox.start_lookupd(wait=False)
    wait_until(lambda: os.path.exists(sandbox.env["SOCKETMAP"]) and len(sandbox.workers()) == 2, 5)
    time.sleep(0.5)
    with sandbox.socketmap() as client:
        answer, seconds = _timed(client)
        assert answer[0] == TEMP and seconds < 0.2
        sandbox.mariadb.start()
        wait_until(lambda: client.query("relay_domains", "d1.example.com")[0] == OK, 1.5)


def test_connections_killed(new_sandbox):
    """A connection that is dead, idle or in the middle of a query, costs nobody an answer."""
    sandbox = _fill(new_sandbox("workers = 2;"))
    wrong = []
    stop = threading.Event()

    def ask():
        with sandbox.socketmap() as client:
            while not stop.is_set():
                answer, seconds = _timed(client)
                if answer != (OK, "d1.example.com") or seconds > 1:
                    wrong.append((answer, seconds))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(15):
            time.sleep(0.15)
            _kill_connections(sandbox)
        time.sleep(0.3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    wait_until(lambda: len(sandbox.sql("SELECT 1 FROM information_schema.PROCESSLIST "
                                       "WHERE USER = 'lookupd'")) == 4, 3)


def test_idle_connections_killed(sandbox):
    """After a quiet night the first lookup is answered: no connection is found dead then."""
    _fill(sandbox)
    for _ in range(5):
        killed = _kill_connections(sandbox)
        assert len(killed) == 2
        assert sandbox.query("relay_domains", "d1.example.com")[0] == OK
        # those that end stand in the list for a while: two of four are not the new ones yet
        wait_until(lambda before=killed: len(now := _connections(sandbox)) == 2 and not before & now, 5,
                   what="two new connections")


def test_wait_timeout(sandbox):
    """A global wait_timeout of a second closes nothing of ours: the session has its own."""
    _fill(sandbox)
    before = _set_global(sandbox, "wait_timeout = 1")
    _kill_connections(sandbox)  # so that there are new ones
    assert sandbox.query("relay_domains", "d1.example.com")[0] == OK
    ids = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'lookupd' ORDER BY ID"
    wait_until(lambda: len(sandbox.sql(ids)) == 2, 3)
    connected = sandbox.sql(ids)
    time.sleep(2.5)
    assert sandbox.sql(ids) == connected
    assert sandbox.query("relay_domains", "d1.example.com")[0] == OK
    _set_global(sandbox, before)


@pytest.mark.parametrize("setting", [
    "autocommit = 0", "sql_select_limit = 0", "tx_isolation = 'SERIALIZABLE'",
    "system_versioning_asof = '2001-01-01 00:00:00'", "max_statement_time = 0.0001",
    "sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_UNSIGNED_SUBTRACTION'",
    "collation_connection = 'latin1_swedish_ci'", "character_set_client = 'latin1'",
    "sql_big_selects = 0", "max_join_size = 1",
])
def test_global_settings(sandbox, setting):
    """A session of ours does not depend on the server's global settings."""
    _fill(sandbox)
    name = setting.split(" =")[0]
    # a session from before: the setting is not for it
    with sandbox.connect() as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO domain (name) VALUES ('xn--mnchen-3ya.example')")
        cursor.execute("INSERT INTO recipient (address) VALUES ('müller@d1.example.com')")
        cursor.execute(f"SELECT @@GLOBAL.{name}")
        (before,), = cursor.fetchall()
        cursor.execute(f"SET GLOBAL {setting}")
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'lookupd'")
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")
        with sandbox.socketmap() as client:
            for _ in range(2):
                assert client.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")
                assert client.query("relay_domains", "münchen.example")[0] == OK
                assert client.query("relay_recipients", "müller@d1.example.com")[0] == OK
                assert client.query("transport", "u@d1.example.com") == (OK, "relay:")
                assert client.query("relay_domains", "d3.example.com") == (NOTFOUND, "")
                cursor.execute("INSERT INTO domain (name) VALUES ('d3.example.com')")
                assert client.query("relay_domains", "d3.example.com")[0] == OK
                cursor.execute("DELETE FROM domain WHERE name = 'd3.example.com'")
        value = "DEFAULT" if before == "DEFAULT" else repr(before)
        cursor.execute(f"SET GLOBAL {name} = {value}".replace("Decimal", ""))


def _is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def test_database_frozen(sandbox):
    """A server that hangs: temporary by the deadline; a moment later at once; live when it goes on."""
    _fill(sandbox)
    clients = [sandbox.socketmap() for _ in range(10)]
    server = sandbox.mariadb.process.pid
    os.kill(server, signal.SIGSTOP)
    wait_until(lambda: _is_stopped(server), 5, what="the server stands still")
    try:
        for _ in range(3):
            begun = time.monotonic()
            for client in clients:
                client.send(SocketmapClient.request("relay_domains", "d1.example.com"))
            for client in clients:
                assert client.answer()[0] == TEMP
            assert time.monotonic() - begun < DEADLINE + 0.3
        wait_until(lambda: _timed(clients[0])[1] < 0.1, 6, what="temporary at once")
    finally:
        os.kill(server, signal.SIGCONT)
    wait_until(lambda: clients[0].query("relay_domains", "d1.example.com")[0] == OK, 3)
    for client in clients:
        assert client.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")


def test_table_locked(sandbox):
    """LOCK TABLES: temporary by the deadline; other tables are answered meanwhile."""
    _fill(sandbox)
    sandbox.sql("INSERT INTO access (map, pattern, action) VALUES ('sender', 'x@y.example', 'OK')")
    with sandbox.connect() as locker, locker.cursor() as cursor, sandbox.socketmap() as client, \
            sandbox.socketmap() as other:
        cursor.execute("LOCK TABLES domain WRITE")
        client.send(SocketmapClient.request("relay_domains", "d1.example.com"))
        begun = time.monotonic()
        while time.monotonic() - begun < 1:
            answer, seconds = _timed(other, "sender_access", "x@y.example")
            assert answer == (OK, "OK") and seconds < 0.3
        assert client.answer()[0] == TEMP
        assert time.monotonic() - begun < DEADLINE + 0.2
        cursor.execute("UNLOCK TABLES")
        assert client.query("relay_domains", "d1.example.com")[0] == OK


def test_table_gone_and_back(sandbox):
    """A table that is missing is a temporary error for its maps only, and no reconnect."""
    _fill(sandbox)
    connections = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'lookupd' ORDER BY ID"
    with sandbox.socketmap() as client:
        assert client.query("relay_domains", "d1.example.com")[0] == OK
        wait_until(lambda: len(sandbox.sql(connections)) == 2, 3)
        before = sandbox.sql(connections)
        sandbox.sql("RENAME TABLE access TO away")
        for _ in range(50):
            answer, seconds = _timed(client, "client_access", "mail.example.com")
            assert answer[0] == TEMP and seconds < 0.5
            assert client.query("relay_domains", "d1.example.com")[0] == OK
        sandbox.sql("RENAME TABLE away TO access")
        assert client.query("client_access", "mail.example.com") == (NOTFOUND, "")
        assert sandbox.sql(connections) == before
    assert sandbox.log_text().count("client_access") < 5


def test_prepared_statements_used_up(sandbox):
    """max_prepared_stmt_count reached: smaller statements, then temporary answers, no lost
    connection."""
    _fill(sandbox)
    before = _set_global(sandbox, "max_prepared_stmt_count = 3")
    _kill_connections(sandbox)
    time.sleep(0.5)
    answers = []
    clients = [sandbox.socketmap() for _ in range(40)]
    for _ in range(10):
        for client in clients:
            client.send(SocketmapClient.request("relay_domains", "d1.example.com"))
        answers += [client.answer()[0] for client in clients]
    assert set(answers) <= {OK, TEMP} and OK in answers
    _set_global(sandbox, before)
    wait_until(lambda: clients[0].query("transport", "u@d1.example.com")[0] == OK, 3)


CUSTOM = """
workers = 1;
maps = {
  narrow = { keys = "address"; query = "SELECT a, v FROM narrow WHERE a IN (:addresses)"; };
  ci     = { keys = "address"; query = "SELECT a, v FROM ci WHERE a IN (:addresses)"; };
  joined = { keys = "exact"; join = true; query = "SELECT k, v FROM many WHERE k IN (:key)"; };
  single = { keys = "exact"; query = "SELECT k, v FROM many WHERE k IN (:key)"; };
  number = { keys = "exact"; query = "SELECT k, LENGTH(v) FROM many WHERE k IN (:key)"; };
  routes = { keys = "exact"; value = "route"; query = "SELECT k, v FROM many WHERE k IN (:key)"; };
  broken = { keys = "exact"; query = "SELECT nothing, v FROM nowhere WHERE k IN (:key)"; };
  three  = { keys = "exact"; query = "SELECT k, v, 1 FROM many WHERE k IN (:key)"; };
  slow   = { keys = "exact"; query = "SELECT k, CONCAT(v, SLEEP(0.5)) FROM many WHERE k IN (:key)"; };
  slow_2 = { keys = "exact"; query = "SELECT k, CONCAT(v, SLEEP(0.5)) FROM many WHERE k IN (:key)"; };
};
"""

CUSTOM_ROWS = [
    "CREATE TABLE narrow (a VARCHAR(200) CHARACTER SET ascii PRIMARY KEY, v VARCHAR(200))",
    "INSERT INTO narrow VALUES ('user@d1.example.com', 'yes'), ('none@d1.example.com', NULL), "
    "('User@D2.example.com', 'mixed')",
    "CREATE TABLE ci (a VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, "
    "v VARCHAR(200))",
    "INSERT INTO ci VALUES ('müller@d1.example.com', 'ü'), ('user@d1.example.com', 'u'), "
    "('blank@d1.example.com  ', 'b')",
    "CREATE TABLE many (k VARCHAR(100), v MEDIUMTEXT, KEY (k))",
    "INSERT INTO many VALUES ('one', 'x'), ('same', 'x'), ('same', 'x'), ('two', 'x'), ('two', 'y'), "
    "('null', NULL), ('mixed', NULL), ('mixed', 'v'), ('empty', ''), ('control', 'a\\nb'), "
    "('long', REPEAT('l', 99997)), ('longer', REPEAT('l', 99998)), ('huge', REPEAT('l', 3000000)), "
    "('route', 'smtp:[192.0.2.1]:25'), ('unknown', 'nosuch:[192.0.2.1]'), "
    "('fatal', 'smtp:[192.0.2.1'), ('bad utf8', 'x')",
]


@pytest.fixture(scope="module")
def custom():
    import conftest
    from sandbox import Sandbox
    sandbox = Sandbox(conftest.new_folder())
    try:
        sandbox.up("workers = 1;")
        sandbox.sql(*CUSTOM_ROWS, "GRANT SELECT ON lookupd.* TO lookupd_reader")
        _fill(sandbox)
        sandbox.stop_lookupd()
        sandbox.write_conf(CUSTOM)
        sandbox._ready_map = "relay_domains"
        sandbox.start_lookupd()
        yield sandbox
    finally:
        conftest._end(sandbox, False)


@pytest.mark.parametrize("name, key, answer", [
    ("narrow", "user@d1.example.com", (OK, "yes")),
    ("narrow", "none@d1.example.com", (NOTFOUND, "")),
    ("narrow", "user@d2.example.com", (OK, "mixed")),
    ("ci", "müller@d1.example.com", (OK, "ü")),
    ("ci", "muller@d1.example.com", (NOTFOUND, "")),
    ("ci", "USER+x@d1.example.com", (OK, "u")),
    ("ci", "blank@d1.example.com", (OK, "b")),
    ("single", "one", (OK, "x")),
    ("single", "same", (OK, "x")),
    ("single", "two", TEMP),
    ("joined", "two", (OK, {"x, y", "y, x"})),
    ("joined", "same", (OK, "x")),
    ("single", "null", (NOTFOUND, "")),
    ("single", "mixed", (OK, "v")),
    ("single", "empty", TEMP),
    ("single", "control", TEMP),
    ("single", "long", (OK, "l" * 99997)),
    ("single", "longer", TEMP),
    ("single", "huge", TEMP),
    ("number", "huge", (OK, "3000000")),
    ("routes", "route", (OK, "smtp:[192.0.2.1]:25")),
    ("routes", "unknown", TEMP),
    ("routes", "fatal", TEMP),
    ("broken", "one", TEMP),
    ("three", "one", TEMP),
    ("relay_domains", "d1.example.com", (OK, "d1.example.com")),
], ids=lambda value: str(value)[:30])
def test_custom_maps(custom, name, key, answer):
    """Maps of one's own tables: collations, several rows, values that would harm Postfix."""
    with custom.socketmap() as client:
        word, value = client.query(name, key)
        if answer == TEMP:
            assert word == TEMP
        elif isinstance(answer[1], set):
            assert word == answer[0] and value in answer[1]
        else:
            assert (word, value) == answer
        assert client.query("single", "one") == (OK, "x")


def test_strange_keys_do_not_disturb_others(custom):
    """A stranger's key that makes the statement fail is a fault of that key alone."""
    clients = [custom.socketmap() for _ in range(30)]
    for _ in range(20):
        for index, client in enumerate(clients):
            key = "müller@d1.example.com" if index % 3 == 0 else "user@d1.example.com"
            client.send(SocketmapClient.request("narrow", key))
        for index, client in enumerate(clients):
            answer = client.answer()
            if index % 3 == 0:
                assert answer[0] in (TEMP, NOTFOUND)
            else:
                assert answer == (OK, "yes")


def test_slow_maps_do_not_hold_up_others(custom):
    """Two maps whose queries take long, two connections: a quick one waits for neither."""
    answered, stopped = collections.Counter(), threading.Event()

    def ask(name):
        with custom.socketmap() as client:
            while not stopped.is_set():
                client.query(name, "one")
                answered[name] += 1

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in ("slow", "slow_2") * 2]
    with custom.socketmap() as client:
        assert client.query("single", "one") == (OK, "x")
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: min(answered["slow"], answered["slow_2"]) >= 8, 20, what="answers of both")
            begun = time.monotonic()
            for _ in range(10):
                assert client.query("single", "one") == (OK, "x")
            assert time.monotonic() - begun < 2.5  # each waited for 0.5 to 1 s
        finally:
            stopped.set()
            for thread in threads:
                thread.join(10)


def test_no_address_in_the_log(custom):
    with custom.socketmap() as client:
        for local in ("secret.person", "geheim-ü"):
            for name in ("narrow", "ci", "relay_recipients", "transport", "virtual_aliases"):
                client.query(name, local + "@d1.example.com")
    custom.sql("INSERT INTO many VALUES ('secret.person@d1.example.com', '')")
    assert custom.query("single", "secret.person@d1.example.com")[0] == TEMP
    assert "secret.person" not in custom.log_text() and "geheim" not in custom.log_text()


def test_wrong_queries_are_reported(custom):
    """At the start and by -t, with the place in the file."""
    code, _, errors = _run(custom, "-c", custom.conf, "-t")
    assert code == 78
    for text in (errors, custom.log_text()):
        assert re.search(r"lookupd\.conf:\d+: maps\.broken\.query: .*nowhere.* doesn't exist", text)
        assert re.search(r"lookupd\.conf:\d+: maps\.three\.query: .*two columns", text)
        assert "maps.narrow" not in text


def test_an_account_that_is_refused_is_a_fault(sandbox):
    """-t asks as the server will, and a database that says no is no passing trouble."""
    _fill(sandbox)
    path = sandbox.path("refused.conf")
    with open(sandbox.conf, encoding="utf-8") as file:
        text = file.read()
    for wrong in (text.replace('user = "lookupd"', 'user = "nobody_knows"'),
                  text.replace('name = "lookupd"', 'name = "no_such_database"')):
        assert wrong != text
        with open(path, "w", encoding="utf-8") as file:
            file.write(wrong)
        code, _, errors = _run(sandbox, "-c", path, "-t")
        assert code == 78 and "denied" in errors


def test_unknown_schema_is_refused(sandbox):
    _fill(sandbox)
    assert _run(sandbox, "-c", sandbox.conf, "-t")[0] == 0
    sandbox.sql("UPDATE schema_version SET version = 99")
    _kill_connections(sandbox)
    wait_until(lambda: sandbox.query("relay_domains", "d1.example.com")[0] == TEMP, 3)
    assert "schema version 99" in sandbox.log_text()
    code, _, errors = _run(sandbox, "-c", sandbox.conf, "-t")
    assert code == 78 and "schema version 99" in errors
    sandbox.sql("UPDATE schema_version SET version = 2")
    wait_until(lambda: _is_live(sandbox), 2)
