"""From a zone's primary to a message relayed: two real nameds, lookupd-import, lookupd, Postfix.

The secondary's zones are those of the DNS that Postfix asks, too: mail of a route "relay:" follows
the MX records that were transferred, and the host itself is left out.
"""

import json
import os
import smtplib
import subprocess

import pytest

from conftest import brought_up
from importing import OURS, PROGRAM, SOA, Site, let_hold_pass, names, prepare, zone_text
from named import NamedAt53, Pair, journal_serial
from postfix import PrivatePostfix
from processes import wait_until
from sandbox import Sandbox, free_ports
from smtp_sink import SmtpSink
from sql import one, rows

pytestmark = [
    pytest.mark.skipif(not os.path.exists(PROGRAM), reason="lookupd-import is not built (-Dimport)"),
    pytest.mark.skipif(os.getuid() != 0, reason="Postfix's master runs only as root, and DNS has port 53")]

CATALOG = "catalog.invalid"
IXFR = {"raw.test": "raw", "text.test": "text"}

# Nothing of this may reach a table or a line of a log as it stands.
HOSTILE = r"""
a\000b 3600 IN MX 10 mail.example.net.
a\010b 3600 IN MX 10 mail.example.net.
a\124b 3600 IN MX 10 mail.example.net.
\037s\037n 3600 IN MX 10 mail.example.net.
it's 3600 IN MX 10 mail.example.net.
say\"hi\" 3600 IN MX 10 mail.example.net.
dot\.in.label 3600 IN MX 10 mail.example.net.
with\032blank 3600 IN MX 10 mail.example.net.
\255\254 3600 IN MX 10 mail.example.net.
back\\slash 3600 IN MX 10 mail.example.net.
at\@sign 3600 IN MX 10 mail.example.net.
-dash- 3600 IN MX 10 mail.example.net.
loop 3600 IN MX 10 localhost.
loop2 3600 IN MX 10 l.weird.test.
l 3600 IN A 127.0.0.1
private 3600 IN MX 10 p.weird.test.
p 3600 IN A 10.0.0.1
self 3600 IN MX 10 {ours}
odd 3600 IN MX 10 a\000b.weird.test.
route 3600 IN MX 10 x\]\:25\,\[evil.weird.test.
good 3600 IN MX 10 mail.example.net.
"""


def mx_zone(name, *records, **how):
    return zone_text(name, f"{name}. 3600 IN MX 10 mail.example.net.", f"{name}. 3600 IN MX 20 {OURS}",
                     f"ns.{name}. 3600 IN A 127.0.0.1", *records, mx=False, **how)


def hostile_zone():
    owners, last = [], ""
    for line in HOSTILE.format(ours=OURS).strip().splitlines():
        owner = line.partition(" ")[0]
        owners.append(line)
        if " MX " in line and owner != last:
            owners.append(f"{owner} 3600 IN MX 20 {OURS}")
        last = owner
    # a set of 64 KiB is all that BIND takes
    targets = "".join(f"many 3600 IN MX {10 + i % 3} m{i}.example.org.\n" for i in range(2500))
    return ("$ORIGIN weird.test.\n" + SOA.format(name="weird.test", serial=1, expire=864000)
            + "@ 3600 IN NS ns\nns 3600 IN A 127.0.0.1\n" + "\n".join(owners) + "\n" + targets
            + f"many 3600 IN MX 20 {OURS}\n")


def catalog(serial, *members):
    return zone_text(CATALOG, f'version.{CATALOG}. 3600 IN TXT "2"',
                     *(f"{name.replace('.', '-')}.zones.{CATALOG}. 3600 IN PTR {name}." for name in members),
                     mx=False, serial=serial).replace(f" NS ns.{CATALOG}.", " NS invalid.")


class Host:
    """A backup MX that is its own secondary name server, and the hosts around it."""

    senders = iter(range(10000))

    def __init__(self, folder):
        self.folder = folder
        self.pair = Pair(folder)
        self.dns = NamedAt53(self.pair.secondary.port)
        self.postfix = PrivatePostfix(os.path.join(folder, "postfix"), free_ports(1)[0])
        self.sandbox = Sandbox(os.path.join(folder, "sandbox"))
        self.primary_mx = SmtpSink("127.0.0.2")

    def up(self):
        pair, owner = self.pair, self.sandbox.account()[0]
        os.mkdir(pair.secondary.path("catalog"))
        with open(pair.secondary.path("example.net"), "w", encoding="ascii") as file:
            file.write(zone_text("example.net", "ns.example.net. 60 IN A 127.0.0.1", "mail.example.net. 60 IN A 127.0.0.2",
                                 f"{OURS} 60 IN A 127.0.0.1", mx=False))
        pair.secondary.more += (f'allow-new-zones yes; catalog-zones {{ zone "{CATALOG}" default-{pair.primaries()[:-1]}'
                                ' zone-directory "catalog" min-update-interval 1; };')
        for name, how in IXFR.items():
            pair.write(name, mx_zone(name), how)
        for name in ("member.test", "later.test", "added.test"):
            pair.write(name, mx_zone(name), None)
        pair.write("weird.test", hostile_zone())
        pair.write(CATALOG, catalog(1, "member.test"))
        pair.write_conf('zone "example.net" { type primary; file "example.net"; };\n')
        self.primary_mx.start()
        self.postfix.make(owner)
        self.postfix.postconf("-e", "inet_interfaces = 127.0.0.1", "smtp_dns_support_level = enabled",
                              "smtp_host_lookup = dns", "myhostname = " + OURS[:-1],
                              f"smtp_tcp_port = {self.primary_mx.port}")
        with open(os.path.join(self.postfix.spool, "etc", "resolv.conf"), "w", encoding="ascii") as file:
            file.write(f"nameserver {self.dns.address}\n")
        self.sandbox.up("listeners = ( %s, %s );" % (
            '{ protocol = "socketmap"; address = "unix:%s"; mode = "0666"; }' % self.sandbox.path("socketmap"),
            self.postfix.listener(owner)))
        pair.start()
        pair.secondary.rndc("addzone", 'added.test { type secondary; file "added.test.db"; %s };' % pair.primaries())
        self.postfix.start()
        with self.sandbox.connect() as root:
            prepare(root)
        self.site = Site(self.folder, self.sandbox.mariadb)
        self.lists = f'named_conf = "{pair.secondary.conf}"; added_zones = ( "{pair.secondary.path("_default.nzd")}" );'
        self.site.write_conf(self.lists)
        pair.wait_file("added.test.db")
        pair.wait_file(self.member("member.test"))

    @staticmethod
    def member(name):
        return f"catalog/__catz___default_{CATALOG}_{name}.db"

    def down(self):
        self.pair.stop()
        self.postfix.stop()
        self.sandbox.down()
        self.primary_mx.stop()
        self.dns.stop()

    def change(self, name, text):
        self.pair.write(name, text, self.pair.zones[name])
        self.pair.primary.reload()

    def sender(self):
        return f"s{next(self.senders)}@sender.example"

    def accepts(self, recipient):
        """A session with a new sender: smtpd keeps what it was told about a pair of both."""
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as client:
            client.ehlo("client.example")
            client.mail(self.sender())
            code = client.rcpt(recipient)[0]
        assert code in (250, 554), code
        return code == 250

    def relays(self, recipient):
        """A message for it is at the better MX."""
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as client:
            client.sendmail(self.sender(), [recipient], "Subject: x\r\n\r\nbody\r\n")
        self.primary_mx.wait(lambda message: message.recipients == [recipient])


@pytest.fixture(scope="module")
def host(request):
    with brought_up(request, Host, lambda made: made.pair.secondary.log()[-4000:],
                    lambda made: made.postfix.log_text()[-4000:]) as made:
        yield made


@pytest.fixture
def root(host):
    connection = host.sandbox.connect()
    host.site.run("--force")
    yield connection
    connection.close()


def test_transferred_imported_accepted_relayed(host):
    """Zones of named.conf, raw and text, of a catalog, and of rndc addzone."""
    def first_octets(name):
        with open(host.pair.secondary.path(name), "rb") as file:
            return file.read(4)

    assert first_octets("raw.test.db") == b"\0\0\0\2"
    assert first_octets("text.test.db") == b"$ORI"
    everywhere = ["added.test", "member.test", "raw.test", "text.test"]
    assert not any(host.accepts("info@" + name) for name in everywhere)
    assert host.site.run() == ("", "")
    with host.sandbox.connect() as root:
        assert names(root) == [everywhere[0], "good.weird.test", "many.weird.test", *everywhere[1:]]
        assert set(rows(root, "SELECT route, relay FROM domain")) == {("relay:", None)}
    for name in everywhere:
        host.relays("info@" + name)
    assert not host.accepts("info@sub.raw.test")
    assert not host.accepts("info@example.net"), "a primary zone is no business of the importer's"


def test_hostile_zone(host, root):
    """What cannot be a mail domain or a host stays out; one name of the zone does not harm another."""
    out, err = host.site.run("-v")
    assert err == "" and "\0" not in out
    found = json.loads(host.site.run("--dry-run", "--json")[0])
    assert found["changes"] == []
    assert found["verdicts"]["invalid-name"] >= 11
    assert [name for name in names(root) if "weird" in name] == ["good.weird.test", "many.weird.test"]
    # loop, private, odd, route: nothing to relay to; self: only us
    assert {note["name"]: note["reason"] for note in found["notes"]} == {
        name + ".weird.test": "bad-targets" for name in ("loop", "loop2", "odd", "private", "route")}
    for name in ("self", "loop", "private", "odd"):
        explained, _ = host.site.run("--explain", name + ".weird.test")
        assert {"self": "only-us"}.get(name, "bad-targets") in explained
    site = host.site
    try:
        site.write_conf(host.lists + 'relay_form = "hosts"; allow_hosts = ( "mail.example.net" );')
        shown = json.loads(site.run("--dry-run", "--json")[0])
        routes = {change["name"]: change["new_route"] for change in shown["changes"] if change["action"] == "update"}
        assert routes["good.weird.test"] == "relay:[mail.example.net]:25"
        assert "many.weird.test" not in routes, "nobody vouches for any of the 2,500"
    finally:
        site.write_conf(host.lists)


def test_a_change_is_seen_before_the_file_has_it(host, root):
    """IXFR: the secondary's file is old, its journal is ahead, and the next run sees it."""
    for name in IXFR:
        host.change(name, mx_zone(name, f"sub.{name}. 3600 IN MX 10 mail.example.net.",
                                  f"sub.{name}. 3600 IN MX 20 {OURS}", serial=2))
    for name, how in IXFR.items():
        file = host.pair.secondary.path(name + ".db")
        wait_until(lambda: journal_serial(file + ".jnl") == 2, 30, what=f"IXFR of {name}")
        dumped = subprocess.run(["named-compilezone", "-q", "-i", "none", "-k", "ignore", "-f", how, "-F", "text",
                                 "-o", "-", name, file],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True)
        assert "sub." not in dumped.stdout, "the file has it already: nothing is tried here"
        assert not host.accepts("info@sub." + name)
    out, err = host.site.run("-v")
    assert "2 with a journal ahead of the file" in out, (out, err)
    for name in IXFR:
        host.relays("info@sub." + name)
    assert "serial 2" in host.site.run("--explain", "sub.raw.test")[0]


def test_members_of_a_catalog_come_and_go(host, root):
    def reason():
        return host.site.run("--explain", "member.test")[0]

    member = host.pair.secondary.path(host.member("member.test"))
    assert member in reason()
    host.change(CATALOG, catalog(2, "later.test"))
    host.pair.wait_file(host.member("later.test"))
    wait_until(lambda: not os.path.exists(member), 30, what="named has removed the member's file")
    host.site.run()
    assert host.accepts("info@later.test")
    assert host.accepts("info@member.test"), "held"
    assert one(root, "SELECT gone_since IS NOT NULL FROM import_claim WHERE name = 'member.test'") == 1
    # the catalog cannot be read: who knows what its members are
    catalog_file = host.pair.secondary.path(CATALOG + ".db")
    os.rename(catalog_file, catalog_file + ".away")
    try:
        let_hold_pass(root)
        _, err = host.site.run(code=1)
        assert CATALOG in err
        assert {"later.test", "member.test"} <= set(names(root))
    finally:
        os.rename(catalog_file + ".away", catalog_file)
    host.site.run()
    assert "member.test" not in names(root)
    assert not host.accepts("info@member.test")


def test_zones_of_rndc_addzone_come_and_go(host, root):
    host.pair.secondary.rndc("delzone", "added.test")
    host.site.run()
    assert one(root, "SELECT gone_since IS NOT NULL FROM import_claim WHERE name = 'added.test'") == 1
    host.pair.secondary.rndc("addzone", 'added.test { type secondary; file "added.test.db"; %s };' % host.pair.primaries())
    host.site.run()
    assert one(root, "SELECT gone_since FROM import_claim WHERE name = 'added.test'") is None


def test_added_zones_that_cannot_be_read(host, root):
    """named-nzd2nzf takes a file that is not there, or empty, for a list without zones."""
    before = names(root)
    nzd = host.pair.secondary.path("_default.nzd")
    printed = subprocess.run(["named-nzd2nzf", nzd], stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
                             check=True).stdout
    assert b"added.test" in printed
    os.rename(nzd, nzd + ".away")
    try:
        for text in (None, b"", b"\0garbage" * 1000):
            if text is not None:
                with open(nzd, "wb") as file:
                    file.write(text)
            assert "nothing was changed" in host.site.run("--force", code=75)[1]
            assert names(root) == before
            assert one(root, "SELECT gone_since FROM import_claim WHERE name = 'added.test'") is None
        os.unlink(nzd)
        # text, as root may print it for the importer
        host.site.write_conf(host.lists.replace("_default.nzd", "added"))
        for text, code in ((printed, 0), (printed[:-8], 75), (None, 75)):
            if text is None:
                os.unlink(host.pair.secondary.path("added"))
            else:
                with open(host.pair.secondary.path("added"), "wb") as file:
                    file.write(text)
            host.site.run(code=code)
            assert one(root, "SELECT gone_since FROM import_claim WHERE name = 'added.test'") is None
    finally:
        os.rename(nzd + ".away", nzd)
        host.site.write_conf(host.lists)
