"""What the server reads for one lookup, counted: each built-in query, prepared and executed with
parameters on tables of 20,000 rows, touches about as many rows as it has keys. EXPLAIN says what the
optimizer means to do; the session's Handler counters say what was done."""

import re

import pytest

from sql import fresh, one, rows, run
from test_default_maps import built_in_maps

MANY = 20000


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    return built_in_maps(tmp_path_factory.mktemp("conf"))


@pytest.fixture(scope="module")
def filled(mariadb):
    """Triggers would make this long, and are not what is measured: rows go in without them, as a
    restore puts them in; the database goes afterwards."""
    fresh(mariadb).close()
    root = mariadb.connect()
    for (trigger,) in rows(root, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"):
        run(root, f"DROP TRIGGER `{trigger}`")
    run(root, "INSERT INTO relay (name, nexthop, enabled) SELECT CONCAT('r', seq), '[mail.example.net]', seq % 3 FROM seq_1_to_100 WHERE seq % 3 < 2",
        f"""INSERT INTO domain (name, relay, route, enabled, recipients)
            SELECT CONCAT(IF(seq % 7, 'd', '.d'), seq, '.example'), IF(seq % 100 % 3 < 2 AND seq % 100, CONCAT('r', seq % 100), NULL),
                   IF(seq % 5 = 0, CONCAT('smtp:[h', seq, '.example]'), NULL), seq % 11 <> 0, 1 + seq % 2 FROM seq_1_to_{MANY}""",
        f"""INSERT INTO recipient (address, route, enabled) SELECT CONCAT('u', seq, '@d', seq % 500, '.example'),
            IF(seq % 2, 'lmtp:[a.example]', NULL), seq % 13 <> 0 FROM seq_1_to_{MANY}""",
        f"INSERT INTO alias (address, goto) SELECT CONCAT(IF(seq % 9, CONCAT('a', seq), ''), '@d', seq, '.example'), 'x@y.example' FROM seq_1_to_{MANY}",
        f"INSERT INTO access (map, pattern, action) SELECT 1 + seq % 3, CONCAT('u', seq, '@d', seq % 500, '.example'), 'OK' FROM seq_1_to_{MANY}",
        "ANALYZE TABLE relay, domain, recipient, alias, access")
    run(root, "SET NAMES utf8mb4")
    yield root
    run(root, "DROP DATABASE lookupd")
    root.close()


def keys(name, count):
    """count keys of a list: some are there, some are not, the last is repeated as padding is."""
    made = {"addresses": [f"u{n}@d{n % 500}.example" for n in range(1, count + 1)],
            "at_domains": [f"@d{n * 9}.example" for n in range(1, count + 1)],
            "domains": [f"d{n * 3}.example" for n in range(1, count + 1)],
            "locals": [f"u{n}@" for n in range(1, count + 1)],
            "clients": [f"u{n}@d{n % 500}.example" for n in range(1, count + 1)]}[name]
    made[0] = "absent-" + made[0].lstrip("@") if count > 1 else made[0]
    return made[:-1] + [made[-2 if count > 1 else -1]]


def execute_counted(root, sql, count):
    """(keys bound, rows found, what was read) of a prepared statement. The parameters are literals of
    the connection, which have the same type and coercibility as those of the binary protocol."""
    bound = []

    def places(match):
        bound.extend(keys(match.group(1), count))
        return ",".join("?" * count)

    sql = re.sub(r":(\w+)(?=[,)])", places, sql)
    root.query("PREPARE s FROM '" + root.escape_string(sql) + "'")
    read = "SELECT VARIABLE_NAME, CAST(VARIABLE_VALUE AS INT) FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME LIKE 'Handler_read%'"
    run(root, "FLUSH STATUS")
    found = rows(root, "EXECUTE s USING " + ",".join(root.escape(value) for value in bound)) if bound else rows(root, "EXECUTE s")
    return len(bound), len(found), {name.lower(): value for name, value in rows(root, read)}


@pytest.mark.parametrize("count", [1, 4, 16, 64])
def test_rows_read(filled, maps, count):  # noqa: F811
    for name, (query, _) in maps.items():
        bound, found, read = execute_counted(filled, query, count)
        assert found > 0 or name.endswith("access"), name
        # a domain's relay, and an alias beside a recipient, are one more read each
        assert 0 < read["handler_read_key"] <= 2 * bound + 2, (name, read)
        scanned = sum(read["handler_read_" + way] for way in ("first", "last", "next", "prev", "rnd", "rnd_next"))
        assert scanned <= 2 * (found + bound) + 10, (name, count, read)


def test_a_scan_would_be_seen(filled, maps):  # noqa: F811
    """The measure itself: the same queries asked in a way that cannot use the key."""
    for name, (query, _) in maps.items():
        slow = re.sub(r"\b((?:d\.)?name|(?:r\.)?address|pattern) IN", r"CONCAT(\1, '') IN", query)
        assert slow != query
        _, _, read = execute_counted(filled, slow, 4)
        assert sum(read["handler_read_" + way] for way in ("next", "rnd_next")) > MANY / 4, (name, read)


def test_explain(filled, maps):  # noqa: F811
    for name, (query, _) in maps.items():
        bound = []

        def places(match):
            bound.extend(keys(match.group(1), 8))
            return ",".join("?" * 8)
        sql = re.sub(r":(\w+)(?=[,)])", places, query)
        filled.query("PREPARE s FROM '" + filled.escape_string("EXPLAIN " + sql) + "'")
        for row in rows(filled, "EXECUTE s USING " + ",".join(filled.escape(value) for value in bound)):
            _, select, table, how, _, key, _, _, count, _ = row
            if select == "UNION RESULT":
                continue
            assert how in ("const", "eq_ref", "ref", "range") and key == "PRIMARY", (name, row)
            assert int(count) <= 24, (name, row)


def test_effective_route_agrees(filled, maps):  # noqa: F811
    """The view says for every domain what the transport map's own SQL says, on mixed data."""
    said = dict(rows(filled, "SELECT name, answer FROM effective_route"))
    served = {key: value for key, value in rows(filled, maps["transport"][1]) if "@" not in key}
    assert len(said) == MANY and said == served
    assert {one(filled, "SELECT COUNT(DISTINCT SUBSTRING_INDEX(answer, ':', 1)) FROM effective_route")} == {4}
    assert one(filled, "SELECT COUNT(DISTINCT LEFT(why, 15)) FROM effective_route") >= 4
    # a part of it, asked as a DBA would, does not read all
    run(filled, "FLUSH STATUS")
    assert one(filled, "SELECT answer FROM effective_route WHERE name = 'd1.example'").startswith("relay:")
    assert one(filled, "SELECT CAST(VARIABLE_VALUE AS INT) FROM information_schema.SESSION_STATUS"
                       " WHERE VARIABLE_NAME = 'Handler_read_rnd_next'") < 1000
