"""A real Postfix, set up with conf/postfix as it stands, that relays by what the tables say.

Every test sends from senders of its own: smtpd keeps what it was told about a pair of sender and
recipient (conf/postfix/README.md).
"""

import itertools
import os
import smtplib
import subprocess

import pytest

from conftest import brought_up
from nxdomain import NxDomain
from postfix import PrivatePostfix
from processes import wait_until
from sandbox import Sandbox, free_ports
from smtp_sink import SmtpSink

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="Postfix's master runs only as root")

# Tries follow each other quickly, so that a test sees what an administrator would see in an hour.
QUICK = ("queue_run_delay = 1s", "minimal_backoff_time = 1s", "maximal_backoff_time = 2s")


class Site:
    """The three servers of a backup MX, and the primary behind it."""

    senders = itertools.count()

    def __init__(self, folder, chroot):
        self.folder = folder
        self.postfix = PrivatePostfix(os.path.join(folder, "postfix"), free_ports(1)[0], chroot)
        self.sandbox = Sandbox(os.path.join(folder, "sandbox"))
        self.primary = SmtpSink()
        self.dns = NxDomain()

    def up(self):
        owner = self.sandbox.account()[0]
        self.postfix.make(owner)
        self.postfix.postconf("-e", *QUICK)
        for name, text in (("resolv.conf", f"nameserver {self.dns.address}\n"),
                           ("hosts", "127.0.0.2 held.test\n")):
            with open(os.path.join(self.postfix.spool, "etc", name), "w", encoding="ascii") as file:
                file.write(text)
        self.sandbox.up("listeners = ( %s, %s );" % (
            '{ protocol = "socketmap"; address = "unix:%s"; mode = "0666"; }'
            % self.sandbox.path("socketmap"), self.postfix.listener(owner)))
        self.primary.start()
        self.postfix.start()

    def down(self):
        self.postfix.stop()
        self.sandbox.down()
        self.primary.stop()
        self.dns.stop()

    def fresh(self):
        """Empty tables and an empty queue; the relay hq leads to the primary."""
        subprocess.run(["postsuper", "-c", self.postfix.etc, "-d", "ALL"], check=True,
                       stderr=subprocess.DEVNULL, timeout=30)
        self.primary.messages.clear()
        self.sandbox.empty()
        self.sandbox.sql("INSERT INTO relay (name, nexthop) VALUES "
                         f"('hq', '[127.0.0.1]:{self.primary.port}')")

    def domain(self, name, **columns):
        columns = {"name": name, "relay": "hq", **columns}
        with self.sandbox.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO domain ({', '.join(columns)}) VALUES "
                           f"({', '.join(['%s'] * len(columns))})", tuple(columns.values()))

    def rcpt(self, *recipients):
        """The replies to RCPT, in a session with a new sender."""
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as client:
            client.ehlo("client.test")
            client.mail(f"s{next(self.senders)}@sender.test")
            return [client.rcpt(recipient) for recipient in recipients]

    def codes(self, *recipients):
        return [code for code, _ in self.rcpt(*recipients)]

    def send(self, *recipients):
        """Sends a message and returns its subject, by which received() finds it."""
        subject = f"message {next(self.senders)}"
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as client:
            client.sendmail(f"s{next(self.senders)}@sender.test", recipients,
                            f"Subject: {subject}\r\n\r\nbody\r\n")
        return subject

    def received(self, subject, timeout=20):
        """The message with this subject, once the primary has it."""
        return self.primary.wait(lambda message: f"Subject: {subject}\n" in message.text, timeout)

    def has_received(self, subject):
        return any(f"Subject: {subject}\n" in message.text for message in self.primary.messages)


# for what needs a hosts file or a resolver of ours: only the jail has them
only_chrooted = pytest.mark.parametrize("_site", ["chroot"], indirect=True)


@pytest.fixture(scope="module", params=["chroot", "plain"])
def _site(request):
    with brought_up(request, lambda folder: Site(folder, request.param == "chroot"),
                    lambda site: site.postfix.log_text()[-20000:],
                    lambda site: site.sandbox.log_text()[-5000:]) as site:
        yield site


@pytest.fixture
def site(_site):
    _site.fresh()
    yield _site
    if not _site.primary.server:
        _site.primary.start()


def test_the_shipped_configuration_is_in_use(site):
    """What stands in conf/postfix reaches the instance: nothing in the harness replaces it."""
    assert site.postfix.postconf("-h", "relay_domains") == \
        "socketmap:unix:lookupd/socketmap:relay_domains\n"
    chroot = "y" if site.postfix.chroot else "n"
    assert f"hold       unix  -       -       {chroot}" in site.postfix.postconf("-M", "hold/unix")
    assert "warning" not in subprocess.run(
        ["postfix", "-c", site.postfix.etc, "check"], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=True).stdout.replace("nsswitch.conf differ", "")


def test_domains_and_recipients(site):
    site.domain("any.test")
    site.domain("listed.test", recipients="listed")
    site.sandbox.sql("INSERT INTO recipient (address) VALUES ('user@listed.test')")
    replies = site.rcpt("anybody@any.test", "u@unknown.test", "nobody@listed.test",
                        "user@listed.test")
    assert [code for code, _ in replies] == [250, 554, 550, 250], replies
    assert b"Relay access denied" in replies[1][1]
    assert b"User unknown in relay recipient table" in replies[2][1]


def test_case_and_extension(site):
    site.domain("listed.test", recipients="listed")
    site.sandbox.sql("INSERT INTO recipient (address) VALUES ('user@listed.test')")
    assert site.codes("USER@Listed.TEST", "user+ext@listed.test", "User+Ext@LISTED.test",
                      "other+ext@listed.test") == [250, 250, 250, 550]
    subject = site.send("User+Ext@LISTED.test")
    assert site.received(subject).recipients[0].lower() == "user+ext@listed.test"


def test_a_name_below_a_row_with_a_dot(site):
    site.domain(".example.test")
    site.domain("closed.example.test", enabled=0)
    assert site.codes("u@mail.example.test", "u@a.b.example.test", "u@example.test",
                      "u@closed.example.test") == [250, 250, 554, 554]
    subject = site.send("u@a.b.example.test")
    assert site.received(subject).recipients == ["u@a.b.example.test"]


def test_a_change_is_live_at_the_next_rcpt(site):
    assert site.codes("u@new.test") == [554]
    site.domain("new.test")
    assert site.codes("u@new.test") == [250]
    site.sandbox.sql("UPDATE domain SET enabled = 0 WHERE name = 'new.test'")
    assert site.codes("u@new.test") == [554]


@only_chrooted  # the time is spent once
def test_smtpd_forgets_within_the_time_that_the_readme_promises(site):
    """The same sender again, on the same smtpd process: its cache ends with max_idle."""
    def code():
        with smtplib.SMTP("127.0.0.1", site.postfix.port, timeout=30) as client:
            client.ehlo("client.test")
            client.mail("same@sender.test")
            return client.rcpt("u@same.test")[0]

    assert code() == 554
    site.domain("same.test")
    wait_until(lambda: code() == 250, timeout=110, interval=11, what="accepted")


def test_servers_away_and_back(site):
    """Database stopped: 451. lookupd stopped: 451. Both back: 250, and Postfix was never restarted."""
    site.domain("any.test")
    site.domain("listed.test", recipients="listed")
    recipients = ("u@any.test", "u@listed.test", "u@unknown.test")
    assert site.codes(*recipients) == [250, 550, 554]
    sandbox = site.sandbox
    sandbox.mariadb.stop()
    try:
        assert site.codes(*recipients) == [451, 451, 451]
        sandbox.stop_lookupd()
        assert site.codes(*recipients) == [451, 451, 451]
        sandbox.start_lookupd(wait=False)
        wait_until(lambda: os.path.exists(site.postfix.socketmap), what="lookupd listens")
        assert site.codes(*recipients) == [451, 451, 451]
    finally:
        sandbox.mariadb.start()
        if sandbox.lookupd.poll() is not None:
            sandbox.start_lookupd(wait=False)
    wait_until(lambda: site.codes(*recipients) == [250, 550, 554], timeout=20, interval=0.2,
               what="all answered again")


def test_a_primary_that_is_away(site):
    site.domain("any.test")
    site.postfix.postconf("-e", "minimal_backoff_time = 1h", "maximal_backoff_time = 1h")
    site.postfix.reload()
    try:
        site.primary.stop()
        since = len(site.postfix.log_text())
        subject = site.send("u@any.test")
        site.postfix.wait_log("to=<u@any.test>", "status=deferred (connect to", "refused",
                              since=since)
        assert "u@any.test" in site.postfix.queue()
        site.primary.start()
        site.postfix.flush()
        assert site.received(subject).recipients == ["u@any.test"]
        wait_until(lambda: "Mail queue is empty" in site.postfix.queue(), what="queue empty")
    finally:
        site.postfix.postconf("-e", *QUICK)
        site.postfix.reload()


def test_a_disabled_relay_keeps_mail(site):
    site.domain("held.test")
    site.domain("other.test", route=f"smtp:[127.0.0.1]:{site.primary.port}")
    site.sandbox.sql("UPDATE relay SET enabled = 0")
    since = len(site.postfix.log_text())
    subject = site.send("u@held.test")
    site.postfix.wait_log("to=<u@held.test>", "status=deferred (deferred transport)", since=since)
    assert "u@held.test" in site.postfix.queue()
    assert not site.has_received(subject)
    # enabled again: it goes by itself. qmgr keeps the last address's route for 30 s, so another
    # address in between makes it ask.
    site.sandbox.sql("UPDATE relay SET enabled = 1")
    site.received(site.send("u@other.test"))
    assert site.received(subject, 45).recipients == ["u@held.test"]


@only_chrooted
def test_an_impatient_flush_leaves_held_mail(site):
    """postqueue -f makes qmgr use the transport hold after all: it must contact nobody."""
    site.domain("held.test")
    site.sandbox.sql("UPDATE relay SET enabled = 0")
    since = len(site.postfix.log_text())
    site.send("u@held.test")
    site.postfix.wait_log("to=<u@held.test>", "status=deferred (deferred transport)", since=since)
    site.postfix.flush()
    site.postfix.wait_log("fail:relay_is_disabled", since=since)
    site.postfix.wait_log("hold/smtp", "to=<u@held.test>", "relay=none", "status=deferred",
                          since=since)
    assert "connect to held.test" not in site.postfix.log_text()
    assert "u@held.test" in site.postfix.queue()


def test_a_domain_disabled_while_its_mail_waits(site):
    """What is queued waits; new mail is refused."""
    site.domain("any.test")
    site.domain("other.test", route="discard:")
    site.primary.stop()
    since = len(site.postfix.log_text())
    subject = site.send("u@any.test")
    site.postfix.wait_log("to=<u@any.test>", "Connection refused", since=since)
    site.sandbox.sql("UPDATE domain SET enabled = 0 WHERE name = 'any.test'")
    site.send("u@other.test")  # qmgr forgets the old route, as above
    site.postfix.wait_log("to=<u@other.test>", "status=sent", since=since)
    site.primary.start()
    assert site.codes("u@any.test") == [554]
    site.postfix.wait_log("to=<u@any.test>", "relay=none", "dsn=4.3.0, status=deferred",
                          since=since)
    assert not site.has_received(subject)
    site.sandbox.sql("UPDATE domain SET enabled = 1 WHERE name = 'any.test'")
    site.send("u@other.test")
    site.received(subject, 45)


def test_aliases(site):
    """A catch-all does not swallow a listed recipient, and an extension goes through an alias."""
    site.domain("listed.test", recipients="listed")
    site.domain("goal.test")
    site.sandbox.sql(
        "INSERT INTO recipient (address) VALUES ('user@listed.test')",
        "INSERT INTO alias (address, goto) VALUES ('@listed.test', 'all@goal.test'),"
        " ('info@listed.test', 'one@goal.test, two@goal.test')")
    assert site.codes("user@listed.test", "info@listed.test", "anything@listed.test") == [250] * 3
    received = {address: sorted(site.received(site.send(address)).recipients)
                for address in ("user@listed.test", "user+x@listed.test", "anything@listed.test")}
    assert received == {"user@listed.test": ["user@listed.test"],
                        "user+x@listed.test": ["user+x@listed.test"],
                        "anything@listed.test": ["all@goal.test"]}
    subject = site.send("info+Tag@listed.test")
    wait_until(lambda: {recipient for message in site.primary.messages
                        if f"Subject: {subject}\n" in message.text
                        for recipient in message.recipients}
               == {"one+Tag@goal.test", "two+Tag@goal.test"}, 20, what="both, with +Tag")


def test_routes(site):
    """A recipient's own route wins over his domain's, and a domain's over its relay's."""
    second = SmtpSink().start()
    try:
        site.domain("any.test")
        site.domain("routed.test", route=f"smtp:[127.0.0.1]:{second.port}")
        site.sandbox.sql("INSERT INTO recipient (address, route) VALUES "
                         f"('own@any.test', 'relay:[127.0.0.1]:{second.port}')")
        site.received(site.send("u@any.test"))
        for address in ("own@any.test", "own+x@any.test", "u@routed.test"):
            subject = site.send(address)
            second.wait(lambda message, subject=subject: f"Subject: {subject}\n" in message.text)
    finally:
        second.stop()


def test_the_second_host_of_a_nexthop_list(site):
    site.sandbox.sql("UPDATE relay SET nexthop = CONCAT('[127.0.0.1]:9, ', nexthop)")
    site.domain("any.test")
    assert site.received(site.send("u@any.test")).recipients == ["u@any.test"]


def deferred(site, route, status):
    site.domain("fault.test", route=route)
    since = len(site.postfix.log_text())
    site.send("u@fault.test")
    site.postfix.wait_log("to=<u@fault.test>", f"dsn={status}, status=deferred", since=since)
    assert "u@fault.test" in site.postfix.queue()


def test_a_mail_that_loops_to_ourselves_waits(site):
    deferred(site, "smtp:[127.0.0.1]:25", "4.4.6")  # seen before anything is contacted


@only_chrooted
def test_a_mail_whose_host_is_not_in_the_dns_waits(site):
    deferred(site, "smtp:[nowhere.invalid]:2525", "4.4.4")


@only_chrooted
def test_the_filter_is_what_defers_them(site):
    """Without smtp_delivery_status_filter both are bounces: the tests above can fail."""
    shipped = site.postfix.postconf("-n", "smtp_delivery_status_filter").strip()
    site.postfix.postconf("-e", "smtp_delivery_status_filter =")
    site.postfix.reload()
    try:
        site.domain("loop.test", route="smtp:[127.0.0.1]:25")
        site.domain("nowhere.test", route="smtp:[nowhere.invalid]:2525")
        since = len(site.postfix.log_text())
        site.send("u@loop.test")
        site.send("u@nowhere.test")
        site.postfix.wait_log("to=<u@loop.test>", "dsn=5.4.6, status=bounced", since=since)
        site.postfix.wait_log("to=<u@nowhere.test>", "dsn=5.4.4, status=bounced", since=since)
    finally:
        site.postfix.postconf("-e", shipped)
        site.postfix.reload()


def test_postmap(site):
    """Postfix's own tool, run in the queue directory as the README says."""
    site.domain("any.test")

    def postmap(key, table):
        done = subprocess.run(
            ["postmap", "-c", site.postfix.etc, "-q", key,
             f"socketmap:unix:lookupd/socketmap:{table}"], cwd=site.postfix.spool,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
        return done.returncode, done.stdout

    assert postmap("Any.Test", "relay_domains") == (0, "any.test\n")
    assert postmap("u@any.test", "transport") == (0, f"relay:[127.0.0.1]:{site.primary.port}\n")
    assert postmap("unknown.test", "relay_domains") == (1, "")
