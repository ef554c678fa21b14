"""The snapshot: what it holds, and when it answers. What may happen to it stands in
test_snapshot_faults.py, the outage with a Postfix in test_outage.py."""

import os
import re
import subprocess
import time

import pytest

import processes
from clients import NOTFOUND, OK, TEMP
from processes import wait_until
from snapshots import add_domains, snapshot_sandbox, unguarded_sandbox, words
from stream import Stream

README = os.path.join(os.path.dirname(__file__), "..", "..", "sql", "README.md")


@pytest.fixture(scope="module")
def _shared(request):
    with unguarded_sandbox(request) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_shared):
    return _shared.begin()


# ---- what it answers ----

ROWS = [
    "INSERT INTO relay (name, nexthop) VALUES ('hq', '[a.example]:25')",
    "INSERT INTO relay (name, nexthop, enabled) VALUES ('off', '[b.example]', 0)",
    "INSERT INTO domain (name, relay, route, recipients, enabled) VALUES ('a.example', 'hq', NULL, 'any', 1),"
    " ('.a.example', 'off', NULL, 'any', 1), ('mx.example', NULL, NULL, 'listed', 1),"
    " ('routed.example', 'off', 'smtp:[192.0.2.1]', 'any', 1), ('closed.a.example', 'hq', NULL, 'any', 0)",
    "INSERT INTO recipient (address, route, enabled) VALUES ('user@mx.example', NULL, 1),"
    " ('off@mx.example', 'smtp:[192.0.2.9]', 0), ('own@a.example', 'lmtp:[192.0.2.2]:24', 1),"
    " ('müller@mx.example', NULL, 1)",
    "INSERT INTO alias (address, goto, enabled) VALUES ('@mx.example', 'all@a.example', 1),"
    " ('user+tag@a.example', 'x@b.example', 1), ('list@a.example', 'x@b.example, y@b.example', 1),"
    " ('off@a.example', 'x@b.example', 0)",
    "INSERT INTO access (map, pattern, action, enabled) VALUES ('client', '192.0.2', 'REJECT', 1),"
    " ('client', '.a.example', 'OK', 1), ('client', '198.51.100.1', 'REJECT', 0), ('sender', 'user@', 'REJECT', 1),"
    " ('sender', 'a.example', 'OK', 1), ('recipient', '.a.example', 'REJECT', 1), ('recipient', 'user@mx.example', 'OK', 1)",
]
NAMES = ["a.example", "A.Example.", "x.a.example", "y.x.a.example", "closed.a.example", "below.closed.a.example",
         "mx.example", "x.mx.example", "routed.example", "none.example", "example", "*", ""]
LOCALS = ["user", "User+Ext", "off", "own", "müller", "list", "user+tag", "nobody"]
CLIENTS = ["192.0.2.7", "192.0.3.1", "198.51.100.1", "host.a.example", "a.example", "2001:db8::1", "unknown"]


def test_the_same_answers_as_live(sandbox):
    """Every default map: what the database answers, the copy answers; but for keys without a row, where
    it says what the map's `absent` is. So `all` and `query` belong together."""
    sandbox.sql(*ROWS)
    keys = {name: NAMES + [f"{local}@{domain}" for domain in NAMES for local in LOCALS] for name in (
        "transport", "relay_recipients", "virtual_aliases", "sender_access", "recipient_access")}
    keys.update(relay_domains=NAMES, client_access=CLIENTS + NAMES)
    with sandbox.socketmap() as client:
        live = {(name, key): client.query(name, key) for name in keys for key in keys[name]}
    # neither side is empty
    for name in keys:
        found = [word for (of, _), (word, _) in live.items() if of == name]
        assert found.count(OK) >= 2 and found.count(NOTFOUND) >= 5 and TEMP not in found, (name, found)
    sandbox.copied()
    sandbox.mariadb.kill()
    sandbox.wait_titles("answering from the snapshot")
    unknown = {}
    with sandbox.socketmap() as client:
        for (name, key), answer in live.items():
            got = client.query(name, key)
            if got[0] == TEMP and answer[0] == NOTFOUND:
                unknown.setdefault(name, set()).add(key)
            else:
                assert got == answer, (name, key)
    assert set(unknown) == {"relay_domains", "transport", "relay_recipients"}
    # a row that says "not found" is a row; a name that is none needs no copy
    assert not {"closed.a.example", "*", ""} & unknown["relay_domains"]
    assert {"off@mx.example", "nobody@mx.example"} & unknown["relay_recipients"] == set()
    assert "none.example" in unknown["relay_domains"]


def test_an_outage(sandbox, request):
    """Killed under a stream: answered at once, from the copy; a restart of lookupd meanwhile begins with
    it; live within a second of the return. The log says each change once for each worker."""
    since = len(sandbox.log_text())
    with Stream(sandbox) as stream:
        stream.wait_live()
        with stream.still():
            with stream.copying():
                sandbox.copied()
            sandbox.mariadb.kill()
        sandbox.wait_titles("answering from the snapshot of ")
        with stream.outage():
            with stream.phase() as down:
                stream.wait_answers(300)
            assert down.found > 0 and down.notfound > 0 and down.longest < 0.5, down
            text = sandbox.log_text()[since:]
            assert len(re.findall(r"warning: answering from the snapshot of \d\d:\d\d:\d\d: the database cannot be"
                                  r" reached", text)) == 2, text
            sandbox.stop_lookupd()
            sandbox.start_lookupd(wait=False)
            sandbox.wait_titles("answering from the snapshot of ")
            assert re.search(r"snapshot: that of \d\d:\d\d:\d\d is there", sandbox.log_text()[since:])
            with stream.phase() as again:
                stream.wait_answers(300)
            assert again.found > 0 and again.notfound > 0, again
        sandbox.mariadb.start()
        begun = time.monotonic()
        wait_until(sandbox.answers, 3, what="live")
        assert time.monotonic() - begun < 1.5
        stream.wait_live()
        with stream.phase() as well:
            stream.wait_answers(100)
        assert well.temporary == 0, well
    stream.check(lost=None, refused=None)
    assert sandbox.log_text()[since:].count("]: live again\n") == 2


def test_max_age(request):
    """What is too old is not answered from."""
    with snapshot_sandbox(request, "workers = 1;", max_age=3) as sandbox:
        add_domains(sandbox, "a.example")
        sandbox.copied()
        sandbox.mariadb.kill()
        killed = time.time()
        sandbox.wait_titles("answering from the snapshot")
        assert sandbox.query("relay_domains", "a.example") == (OK, "a.example")
        assert sandbox.query("client_access", "192.0.2.1") == (NOTFOUND, "")
        wait_until(lambda: sandbox.query("relay_domains", "a.example")[0] == TEMP, 10)
        assert 2 <= time.time() - sandbox.taken() < 5 and time.time() - killed < 5
        assert sandbox.query("client_access", "192.0.2.1")[0] == TEMP
        sandbox.wait_titles("database down, answering temporary errors")
        sandbox.wait_log("is too old")
        # and not by a restart either
        sandbox.stop_lookupd()
        sandbox.start_lookupd(wait=False)
        sandbox.wait_titles("database down, answering temporary errors")
        assert sandbox.query("relay_domains", "a.example")[0] == TEMP


def test_a_table_is_missing(sandbox):
    """One query fails: its map is answered from the copy, the others live, and the copy stays."""
    add_domains(sandbox, "a.example")
    sandbox.copied()
    since, taken = len(sandbox.log_text()), sandbox.taken()
    with sandbox.socketmap() as client:
        sandbox.sql("RENAME TABLE domain TO away")
        try:
            sandbox.sql("INSERT INTO access (map, pattern, action) VALUES ('client', '192.0.2.1', 'OK')")
            assert client.query("relay_domains", "a.example") == (OK, "a.example")
            assert client.query("relay_domains", "b.example")[0] == TEMP
            assert client.query("client_access", "192.0.2.1") == (OK, "OK")
            wait_until(lambda: any("live, some maps answering from the snapshot of" in title
                                   for title in sandbox.titles()))
            sandbox.wait_log("Table 'lookupd.domain' doesn't exist (1146): the one of ", since=since)
            time.sleep(1.2)  # longer than the interval
            assert sandbox.taken() - taken < 1.5
        finally:
            sandbox.sql("RENAME TABLE away TO domain")
        assert client.query("relay_domains", "b.example") == (NOTFOUND, "")
    wait_until(lambda: not any("some maps" in title for title in sandbox.titles()))
    text = sandbox.log_text()[since:]
    assert text.count("map relay_domains: answering from the snapshot of") == 1
    assert text.count("map relay_domains: live again") == 1


def test_no_snapshot_is_wanted(request):
    """interval = 0: no keeper, and a file that is there is not used."""
    with snapshot_sandbox(request, "workers = 1;") as sandbox:
        add_domains(sandbox, "a.example")
        sandbox.copied()
        sandbox.stop_lookupd()
        sandbox.write_conf("workers = 1;" + sandbox.settings(interval=0))
        sandbox.start_lookupd()
        assert sandbox.keeper() is None
        sandbox.mariadb.kill()
        sandbox.wait_titles("database down, answering temporary errors")
        assert words(sandbox, "a.example") == [TEMP]


# ---- the switch ----

@pytest.mark.parametrize("off,on", [
    ("UPDATE service SET answering = 'no'", "UPDATE service SET answering = 'yes'"),
    ("RENAME TABLE service TO away", "RENAME TABLE away TO service"),
    ("TRUNCATE TABLE service", "INSERT INTO service (answering) VALUES ('yes')")], ids=["no", "missing", "empty"])
def test_the_switch(sandbox, off, on):
    """Within a second lookups come from the copy, which stays as it is, and within a second they are live."""
    add_domains(sandbox, "a.example")
    sandbox.copied()
    since = len(sandbox.log_text())
    sandbox.sql(off)
    begun = time.monotonic()
    sandbox.wait_titles("(maintenance)", 5)
    assert time.monotonic() - begun < 1
    taken = sandbox.taken()
    sandbox.sql("DELETE FROM domain", "INSERT INTO domain (name) VALUES ('b.example')")
    assert words(sandbox, "a.example", "b.example") == [OK, TEMP]
    time.sleep(1.3)  # longer than the interval
    assert words(sandbox, "a.example", "b.example") == [OK, TEMP]
    assert sandbox.taken() - taken < 1
    sandbox.sql(on)
    begun = time.monotonic()
    wait_until(lambda: words(sandbox, "a.example", "b.example") == [NOTFOUND, OK], 5)
    assert time.monotonic() - begun < 1
    sandbox.wait_titles(": live")
    text = sandbox.log_text()[since:]
    assert text.count("warning: answering from the snapshot of") == 2 == text.count("]: live again\n"), text


def test_no_right_to_the_switch(sandbox):
    """An upgrade whose rights were forgotten: said, and answered live all the same."""
    sandbox.sql("REVOKE SELECT ON service FROM lookupd_reader")
    try:
        since = len(sandbox.log_text())
        sandbox.stop_lookupd()
        sandbox.start_lookupd()
        assert words(sandbox, "a.example") == [NOTFOUND]
        sandbox.wait_log("error: map service: query failed: SELECT command denied", since=since)
    finally:
        sandbox.sql("GRANT SELECT ON service TO lookupd_reader")


def test_restore(sandbox):
    """Dump and restore by the commands of sql/README.md, under a stream: no wrong answer, ever."""
    with open(README, encoding="utf-8") as file:
        section = file.read().split("## Dump and restore")[1].split("\n## ")[0]
    commands = [re.sub(r"\s+#.*", "", line).strip() for line in re.findall(r"^    ((?:mariadb|sleep).*)$", section, re.M)]
    assert [command.split()[0] for command in commands] == [
        "mariadb-dump", "mariadb", "sleep", "mariadb", "mariadb", "mariadb", "mariadb"]
    commands = [command for command in commands if "accounts.sql" not in command]

    def run(command):
        client = f"{{}} --no-defaults -uroot -S {sandbox.mariadb.socket} "
        command = re.sub(r"^mariadb(-dump)? ", lambda match: client.format(match[0].strip()), command)
        return subprocess.Popen(
            ["sh", "-ec", command.replace("< sql/", f"< {os.path.dirname(README)}/")], cwd=sandbox.directory,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(process):
        output = process.communicate(timeout=120)[0]
        assert (process.returncode, output) == (0, ""), output

    with sandbox.connect() as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO domain (name) SELECT CONCAT('bulk', seq, '.example') FROM seq_1_to_2000")
    with Stream(sandbox, change_every=None) as stream:
        stream.wait_live()
        with stream.copying():
            sandbox.copied()
        finish(run(commands[0]))
        # what must not be answered from: tables that are half there
        sandbox.sql("INSERT INTO domain (name) VALUES ('after.example')")
        finish(run(commands[1]))
        finish(run(commands[2]))
        with stream.phase() as meanwhile:
            for _ in range(3):  # the second time into tables that are there
                finish(run(commands[3]))
                assert sandbox.sql("SELECT COUNT(*) FROM service") == ((0,),)
                stream.wait_answers(50)
            finish(run(commands[4]))
        assert meanwhile.found > 0
        sandbox.wait_titles("(maintenance)")
        finish(run(commands[5]))
        sandbox.wait_titles(": live")
        with stream.phase() as well:
            stream.wait_answers(100)
        assert well.temporary == 0, well
        assert sandbox.query("relay_domains", "after.example") == (NOTFOUND, "")
        assert sandbox.query("relay_domains", "bulk2000.example")[0] == OK
    stream.check()


# ---- the guard ----

def test_guard(request):
    """Half of the rows may go between two copies, and not more, until somebody says that it is right."""
    with snapshot_sandbox(request, "workers = 1;") as sandbox:
        add_domains(sandbox, *(f"d{number}.example" for number in range(20)))
        sandbox.copied()
        sandbox.sql("UPDATE domain SET enabled = 0 WHERE name IN ('d0.example', 'd1.example')",
                    "DELETE FROM domain WHERE name LIKE 'd1_.example' LIMIT 8")
        sandbox.copied()  # 10 of 20 are left
        sandbox.sql("UPDATE domain SET enabled = 0 WHERE name NOT IN ('d9.example')")
        warning = ("map relay_domains had 10 rows with a value and has lost more than 50 percent of them; if that is "
                   f"right, remove {sandbox.file} and the next copy is taken as it is: the one of ")
        sandbox.wait_log(warning)
        taken = sandbox.taken()
        time.sleep(2.2)
        assert sandbox.taken() == taken and sandbox.log_text().count(warning) == 1
        assert words(sandbox, "d2.example", "d9.example") == [NOTFOUND, OK]  # live stays live
        # the old copy is in memory too
        sandbox.sql("UPDATE service SET answering = 'no'")
        sandbox.wait_titles("(maintenance)")
        assert words(sandbox, "d2.example", "d9.example", "d0.example") == [OK, OK, NOTFOUND]
        sandbox.sql("UPDATE service SET answering = 'yes'")
        sandbox.wait_titles(": live")
        os.unlink(sandbox.file)
        sandbox.copied()
        sandbox.mariadb.kill()
        sandbox.wait_titles("answering from the snapshot")
        assert words(sandbox, "d2.example", "d9.example") == [NOTFOUND, OK]


# ---- many ----

@pytest.mark.long
def test_a_million(request, figures):
    """How long, how large; bounds that a server can be planned by."""
    with snapshot_sandbox(request, "workers = 2;", interval=5) as sandbox:
        sandbox.sql("SET SESSION foreign_key_checks = 0",)
        with sandbox.connect() as connection, connection.cursor() as cursor:
            for trigger in ("domain_before_insert", "domain_after_insert"):
                cursor.execute(f"DROP TRIGGER {trigger}")
            cursor.execute("INSERT INTO domain (name) SELECT CONCAT('d', seq, '.example') FROM seq_1_to_1000000")
        since = time.time()
        wait_until(lambda: sandbox.taken() > since, 120, 0.2)
        size = os.path.getsize(sandbox.file)
        sandbox.copied(60)
        most = [0, 0]
        end = time.monotonic() + 15
        while time.monotonic() < end:
            most[0] = max(most[0], processes.rss_kib(sandbox.keeper()))
            most[1] = max(most[1], max(processes.rss_kib(pid) for pid in sandbox.workers()))
            time.sleep(0.05)
        sandbox.mariadb.kill()
        sandbox.wait_titles("answering from the snapshot")
        with sandbox.socketmap() as client:
            begun = time.monotonic()
            for number in range(1, 1000001, 97):
                assert client.query("transport", f"u@d{number}.example") == (OK, "relay:")
            rate = 1000000 / 97 / (time.monotonic() - begun)
        figures(f"1,000,000 domains: file {size >> 20} MB, keeper {most[0] >> 10} MB, a worker "
                f"{most[1] >> 10} MB resident; {rate:.0f} lookups a second of one client")
        assert size < 400 << 20 and most[0] < 500 << 10
