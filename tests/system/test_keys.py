"""Keys and their exact answers, over both protocols: every candidate level, every odd key."""

import pytest

from clients import NOTFOUND, OK

ROWS = """
INSERT INTO relay (name, transport, nexthop, enabled) VALUES
    ('hq',   'relay', '[192.0.2.10]:25', 1),
    ('list', 'smtp',  '[mx1.example.net]:25, [2001:db8::5]:2525', 1),
    ('off',  'relay', '[192.0.2.11]:25', 0);
INSERT INTO domain (name, relay, route, recipients, enabled) VALUES
    ('any.example.com',    'hq',   NULL, 'any', 1),
    ('listed.example.com', 'hq',   NULL, 'listed', 1),
    ('.below.example.com', 'list', NULL, 'any', 1),
    ('no.below.example.com', 'hq', NULL, 'any', 0),
    ('.deep.below.example.com', NULL, 'smtp:[192.0.2.12]:2525', 'listed', 1),
    ('mx.example.com',     NULL,   NULL, 'any', 1),
    ('held.example.com',   'off',  NULL, 'any', 1),
    ('route.example.com',  'off',  'lmtp:[192.0.2.13]:24', 'any', 1),
    ('gone.example.com',   'hq',   NULL, 'any', 0),
    ('xn--mnchen-3ya.example', 'hq', NULL, 'listed', 1),
    ('strasse.example',    'hq',   NULL, 'any', 1);
INSERT INTO recipient (address, route, enabled) VALUES
    ('user@listed.example.com', NULL, 1),
    ('off@listed.example.com', NULL, 0),
    ('off@any.example.com', NULL, 0),
    ('plus+tag@listed.example.com', 'smtp:[192.0.2.20]:25', 1),
    ('plus@listed.example.com', 'smtp:[192.0.2.21]:25', 1),
    ('offroute@any.example.com', 'smtp:[192.0.2.22]:25', 0),
    ('own@elsewhere.example', 'smtp:[192.0.2.23]:25', 1),
    ('"a b"@listed.example.com', NULL, 1),
    ('o''neil@listed.example.com', NULL, 1),
    ('per%cent@listed.example.com', NULL, 1),
    ('under_score@listed.example.com', NULL, 1),
    ('müller@listed.example.com', NULL, 1),
    ('sales@xn--mnchen-3ya.example', NULL, 1);
INSERT INTO alias (address, `goto`, enabled) VALUES
    ('info@any.example.com', 'one@a.example, two@b.example', 1),
    ('info+fixed@any.example.com', 'three@c.example', 1),
    ('@any.example.com', 'catchall@d.example', 1),
    ('@listed.example.com', 'catchall@d.example', 1),
    ('@moved.example.com', '@new.example.com', 1),
    ('off@moved.example.com', 'nobody@d.example', 0);
INSERT INTO access (map, pattern, action, enabled) VALUES
    ('client', 'mail.bad.example', 'REJECT you', 1),
    ('client', '.bad.example', 'REJECT all of you', 1),
    ('client', '192.0.2', 'REJECT network', 1),
    ('client', '192.0.2.7', 'OK', 1),
    ('client', '198', 'DUNNO', 1),
    ('client', '2001:db8', 'REJECT six', 1),
    ('sender', 'spam@ok.example', 'REJECT one', 1),
    ('sender', 'ok.example', 'OK', 1),
    ('sender', '.ok.example', 'DUNNO', 1),
    ('sender', 'root@', 'REJECT no root', 1),
    ('recipient', 'user@ok.example', 'REJECT rule', 0),
    ('recipient', 'ok.example', 'DUNNO', 1);
"""

HQ = "relay:[192.0.2.10]:25"
LIST = "smtp:[mx1.example.net]:25, [2001:db8::5]:2525"
RETRY = "retry:4.3.0 relaying for this domain is disabled"
NO = None  # not found

# map, key, the exact value or NO
TABLE = [
    # each candidate level of a domain
    ("relay_domains", "any.example.com", "any.example.com"),
    ("relay_domains", "ANY.Example.COM", "any.example.com"),
    ("relay_domains", "any.example.com.", "any.example.com"),
    ("relay_domains", "any.example.com..", NO),
    ("relay_domains", "x.any.example.com", NO),
    ("relay_domains", "example.com", NO),
    ("relay_domains", "com", NO),
    ("relay_domains", "below.example.com", NO),
    ("relay_domains", "x.below.example.com", ".below.example.com"),
    ("relay_domains", "x.y.z.below.example.com", ".below.example.com"),
    ("relay_domains", "no.below.example.com", NO),
    ("relay_domains", "x.no.below.example.com", ".below.example.com"),
    ("relay_domains", "a.deep.below.example.com", ".deep.below.example.com"),
    ("relay_domains", "gone.example.com", NO),
    ("relay_domains", "held.example.com", "held.example.com"),
    ("relay_domains", ".below.example.com", NO),
    ("relay_domains", "an_.example.com", NO),
    ("relay_domains", ".".join(["l"] * 110) + ".below.example.com", ".below.example.com"),
    # the same domain as U-label, A-label and in capitals
    ("relay_domains", "münchen.example", "xn--mnchen-3ya.example"),
    ("relay_domains", "MÜNCHEN.example", "xn--mnchen-3ya.example"),
    ("relay_domains", "xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
    ("relay_domains", "XN--MNCHEN-3YA.EXAMPLE", "xn--mnchen-3ya.example"),
    ("relay_domains", "münchen。example", "xn--mnchen-3ya.example"),
    ("relay_domains", "straße.example", "strasse.example"),
    ("relay_domains", "STRASSE.example", "strasse.example"),
    ("relay_recipients", "Sales@MÜNCHEN.example", "sales@xn--mnchen-3ya.example"),
    ("relay_recipients", "sales@xn--mnchen-3ya.example", "sales@xn--mnchen-3ya.example"),
    ("relay_recipients", "nobody@münchen.example", NO),
    # transport: what decides, and in which order
    ("transport", "User+Ext@ANY.example.com", HQ),
    ("transport", "any.example.com", HQ),
    ("transport", "u@mx.example.com", "relay:"),
    ("transport", "u@held.example.com", "hold:"),
    ("transport", "u@route.example.com", "lmtp:[192.0.2.13]:24"),
    ("transport", "u@gone.example.com", RETRY),
    ("transport", "u@x.below.example.com", LIST),
    ("transport", "u@no.below.example.com", RETRY),
    ("transport", "u@a.deep.below.example.com", "smtp:[192.0.2.12]:2525"),
    ("transport", "plus+tag@listed.example.com", "smtp:[192.0.2.20]:25"),
    ("transport", "PLUS+Tag@listed.example.com", "smtp:[192.0.2.20]:25"),
    ("transport", "plus+other@listed.example.com", "smtp:[192.0.2.21]:25"),
    ("transport", "plus@listed.example.com", "smtp:[192.0.2.21]:25"),
    ("transport", "user@listed.example.com", HQ),
    ("transport", "offroute@any.example.com", HQ),
    ("transport", "own@elsewhere.example", "smtp:[192.0.2.23]:25"),
    ("transport", "other@elsewhere.example", NO),
    ("transport", "foreign@sender.example", NO),
    # recipients
    ("relay_recipients", "anybody@any.example.com", "any.example.com"),
    ("relay_recipients", "off@any.example.com", NO),
    ("relay_recipients", "off+x@any.example.com", NO),
    ("relay_recipients", "user@listed.example.com", "user@listed.example.com"),
    ("relay_recipients", "USER+ext@LISTED.example.com", "user@listed.example.com"),
    ("relay_recipients", "off@listed.example.com", NO),
    ("relay_recipients", "nobody@listed.example.com", NO),
    ("relay_recipients", "u@x.y.below.example.com", ".below.example.com"),
    ("relay_recipients", "u@a.deep.below.example.com", NO),
    ("relay_recipients", "müller@listed.example.com", "müller@listed.example.com"),
    ("relay_recipients", "MÜLLER@listed.example.com", "müller@listed.example.com"),
    ("relay_recipients", "muller@listed.example.com", NO),
    ("relay_recipients", "o'neil@listed.example.com", "o'neil@listed.example.com"),
    ("relay_recipients", "per%cent@listed.example.com", "per%cent@listed.example.com"),
    ("relay_recipients", "under_score@listed.example.com", "under_score@listed.example.com"),
    ("relay_recipients", "underxscore@listed.example.com", NO),
    ("relay_recipients", "per@listed.example.com", NO),
    ("relay_recipients", "%@listed.example.com", NO),
    ("relay_recipients", "_@listed.example.com", NO),
    ("relay_recipients", "'@listed.example.com", NO),
    ("relay_recipients", "\\@listed.example.com", NO),
    ("relay_recipients", "' OR 1=1 -- @listed.example.com", NO),
    ("relay_recipients", "\\' OR 1=1 -- @listed.example.com", NO),
    # quoted local parts: the external form is what stands in tables
    ("relay_recipients", '"a b"@listed.example.com', '"a b"@listed.example.com'),
    ("relay_recipients", '"A B"@listed.example.com', '"a b"@listed.example.com'),
    ("relay_recipients", '"a b+ext"@listed.example.com', '"a b"@listed.example.com'),
    ("relay_recipients", "a b@listed.example.com", NO),
    ("relay_recipients", '"user+x y"@listed.example.com', "user@listed.example.com"),
    ("relay_recipients", '"x@y"@any.example.com', "any.example.com"),
    ("relay_recipients", '"x@y"@listed.example.com', NO),
    ("relay_recipients", "x@y@any.example.com", NO),
    ("relay_recipients", "x%y@any.example.com", "any.example.com"),
    ("relay_recipients", "x!y@any.example.com", "any.example.com"),
    # aliases
    ("virtual_aliases", "info@any.example.com", "one@a.example, two@b.example"),
    ("virtual_aliases", "info+Ext@any.example.com", "one+Ext@a.example, two+Ext@b.example"),
    ("virtual_aliases", "info+fixed@any.example.com", "three@c.example"),
    ("virtual_aliases", "whoever@any.example.com", "catchall@d.example"),
    ("virtual_aliases", "whoever+x@any.example.com", "catchall+x@d.example"),
    ("virtual_aliases", "user@listed.example.com", "user@listed.example.com"),
    ("virtual_aliases", "user+ext@listed.example.com", "user+ext@listed.example.com"),
    ("virtual_aliases", "off@listed.example.com", "catchall@d.example"),
    ("virtual_aliases", "x+y@moved.example.com", "@new.example.com"),
    ("virtual_aliases", "off@moved.example.com", "@new.example.com"),
    ("virtual_aliases", "any.example.com", NO),
    ("virtual_aliases", "u@x.any.example.com", NO),
    # access(5)
    ("client_access", "mail.bad.example", "REJECT you"),
    ("client_access", "MX.Mail.bad.example", "REJECT all of you"),
    ("client_access", "bad.example", NO),
    ("client_access", "192.0.2.7", "OK"),
    ("client_access", "192.0.2.8", "REJECT network"),
    ("client_access", "192.0.20.7", NO),
    ("client_access", "198.51.100.1", "DUNNO"),
    ("client_access", "2001:db8:1::5", "REJECT six"),
    ("client_access", "2001:DB8:1::5", "REJECT six"),
    ("client_access", "2001:db80::5", NO),
    ("client_access", "unknown", NO),
    ("sender_access", "spam@ok.example", "REJECT one"),
    ("sender_access", "spam+x@ok.example", "REJECT one"),
    ("sender_access", "ham@ok.example", "OK"),
    ("sender_access", "ham@sub.ok.example", "DUNNO"),
    ("sender_access", "root@anywhere.example", "REJECT no root"),
    ("sender_access", "root+x@anywhere.example", "REJECT no root"),
    ("sender_access", "root@ok.example", "OK"),
    ("recipient_access", "user@ok.example", "DUNNO"),
    # what cannot be a name
    ("transport", "*", NO),
    ("relay_domains", "*", NO),
    ("relay_domains", "[192.0.2.1]", NO),
    ("relay_recipients", "user@[192.0.2.1]", NO),
    ("transport", "user@[IPv6:2001:db8::1]", NO),
    ("transport", "<>", NO),
    ("transport", '""', NO),
    ("transport", '"<>"', NO),
    ("transport", "@", NO),
    ("transport", "@any.example.com", NO),
    ("transport", "user@", NO),
    ("relay_domains", "", NO),
    ("transport", "", NO),
    ("relay_domains", "a..example.com", NO),
    ("relay_domains", "x" * 64 + ".below.example.com", NO),
    ("relay_domains", "x" * 63 + ".below.example.com", ".below.example.com"),
    ("relay_domains", "x." * 124 + "below.example.com", NO),
    ("relay_domains", "x" * 10000, NO),
    ("relay_recipients", "x" * 10000 + "@any.example.com", NO),
    ("relay_recipients", "user\0@any.example.com", NO),
    ("relay_domains", "any.example.com\0", NO),
    ("relay_domains", "any.example.com\n", NO),
    ("relay_domains", "any.example.com ", NO),
    ("relay_domains", " any.example.com", NO),
    ("relay_domains", b"\xff\xfe.example.com", NO),
    ("relay_recipients", b"m\xfcller@any.example.com", NO),
    ("relay_recipients", b"\xc0\xaf@any.example.com", NO),
    ("relay_domains", "%.example.com", NO),
    ("relay_domains", "_ny.example.com", NO),
    ("relay_domains", "any'.example.com", NO),
    ("relay_domains", "any\\.example.com", NO),
]

MAPS = ["relay_domains", "transport", "relay_recipients", "virtual_aliases", "client_access",
        "sender_access", "recipient_access"]

SANDBOX_SETTINGS = ""


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A sandbox with a tcp_table listener for every map, and the rows above."""
    import conftest
    from sandbox import Sandbox, free_ports
    sandbox = Sandbox(conftest.new_folder())
    ports = free_ports(len(MAPS))
    listeners = "".join(
        f',{{ protocol = "tcp_table"; address = "inet:127.0.0.1:{port}"; map = "{name}"; }}'
        for name, port in zip(MAPS, ports))
    settings = (f'listeners = ({{ protocol = "socketmap"; mode = "0666";'
                f' address = "unix:{sandbox.directory}/socketmap"; }} {listeners});')
    try:
        sandbox.up(settings)
        sandbox.sql(*(part for part in ROWS.split(";\n") if part.strip()))
        yield sandbox
    finally:
        conftest._end(sandbox, False)


def _expected(value):
    return (NOTFOUND, "") if value is NO else (OK, value)


def _name(row):
    key = row[1] if isinstance(row[1], str) else row[1].decode("latin-1")
    return f"{row[0]}-{key[:40].encode('unicode_escape').decode()}"


@pytest.fixture(scope="module")
def socketmap(filled):
    with filled.socketmap() as client:
        yield client


@pytest.fixture(scope="module")
def tables(filled):
    clients = {name: filled.tcp_table(name) for name in MAPS}
    yield clients
    for client in clients.values():
        client.close()


@pytest.mark.parametrize("row", TABLE, ids=_name)
def test_socketmap(socketmap, row):
    name, key, value = row
    assert socketmap.query(name, key) == _expected(value)


@pytest.mark.parametrize("row", TABLE, ids=_name)
def test_tcp_table(tables, row):
    name, key, value = row
    assert tables[name].query(key) == _expected(value)


def test_exact_octets(filled):
    """The replies as they stand on the wire."""
    with filled.raw() as client:
        client.send(b"29:relay_domains any.example.com,")
        client.fill()
        assert client.waiting == b"18:OK any.example.com,"
    with filled.raw() as client:
        client.send(b"27:relay_domains no.example.co,")
        client.fill()
        assert client.waiting == b"9:NOTFOUND ,"
    with filled.raw("TCP_SENDER_ACCESS") as client:
        client.send(b"get spam@ok.example\n")
        client.fill()
        assert client.waiting == b"200 REJECT%20one\n"
    with filled.raw("TCP_RELAY_RECIPIENTS") as client:
        client.send(b"get M%C3%9cLLER@listed.example.com\n")
        client.fill()
        assert client.waiting == b"200 m%C3%BCller@listed.example.com\n"


def test_live(filled):
    """A committed change is what the next lookup sees; one that is not committed is not."""
    with filled.socketmap() as client, filled.connect() as connection:
        assert client.query("relay_domains", "new.example.com") == (NOTFOUND, "")
        for turn in range(50):
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO domain (name) VALUES ('new.example.com')")
                assert client.query("relay_domains", "new.example.com")[0] == OK
                cursor.execute("UPDATE domain SET enabled = 0 WHERE name = 'new.example.com'")
                assert client.query("relay_domains", "new.example.com") == (NOTFOUND, "")
                cursor.execute("DELETE FROM domain WHERE name = 'new.example.com'")
                assert client.query("transport", "u@new.example.com") == (NOTFOUND, "")
        connection.begin()
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO domain (name) VALUES ('new.example.com')")
            assert client.query("relay_domains", "new.example.com") == (NOTFOUND, "")
        connection.commit()
        assert client.query("relay_domains", "new.example.com")[0] == OK
