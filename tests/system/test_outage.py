"""The outage end to end: a real Postfix, set up with conf/postfix, while the database is away from
lookupd. Known domains go on, unknown ones wait (451, never 5xx), foreign senders are no obstacle."""

import os
import re
import shutil
import signal
import smtplib

import pytest

import processes
from conftest import brought_up
from postfix import CONF, PrivatePostfix
from processes import wait_until
from sandbox import free_ports
from smtp_sink import SmtpSink
from snapshots import SnapshotSandbox

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="Postfix's master runs only as root")


class Site:
    """Postfix with one smtpd process, so that all sessions meet its memory; lookupd; the primary."""

    def __init__(self, folder):
        self.postfix = PrivatePostfix(os.path.join(folder, "postfix"), free_ports(1)[0], False)
        self.sandbox = SnapshotSandbox(os.path.join(folder, "sandbox"))
        self.primary = SmtpSink()
        self.messages = 0

    def up(self):
        owner = self.sandbox.account()[0]
        self.postfix.make(owner)
        self.postfix.postconf("-F", f"127.0.0.1:{self.postfix.port}/inet/process_limit=1")
        self.postfix.postconf("-P", f"127.0.0.1:{self.postfix.port}/inet/max_use=1000")
        with open(os.path.join(CONF, "live", "maps.conf"), encoding="utf-8") as file:
            maps = file.read()
        self.sandbox.up(maps + "listeners = ( %s, %s );" % (
            '{ protocol = "socketmap"; address = "unix:%s"; mode = "0666"; }'
            % self.sandbox.path("socketmap"), self.postfix.listener(owner)))
        self.primary.start()
        self.sandbox.sql(
            f"INSERT INTO relay (name, nexthop) VALUES ('hq', '[127.0.0.1]:{self.primary.port}')",
            "INSERT INTO domain (name, relay, recipients) VALUES ('any.test', 'hq', 'any'), ('listed.test', 'hq', 'listed')",
            "INSERT INTO domain (name, relay, enabled) VALUES ('closed.test', 'hq', 0)",
            "INSERT INTO recipient (address) VALUES ('user@listed.test')")
        self.sandbox.copied()
        self.postfix.start()

    def ask_live(self):
        """What conf/postfix/README.md says under "Every recipient live"; for a second smtpd, with a port of its
        own."""
        port = free_ports(1)[0]
        folder = os.path.join(CONF, "live")
        with open(os.path.join(folder, "master.cf"), encoding="utf-8") as file, \
                open(os.path.join(self.postfix.etc, "master.cf"), "a", encoding="utf-8") as target:
            target.write(file.read())
        shutil.copy(os.path.join(folder, "lookupd-routed.regexp"), self.postfix.etc)
        service = f"127.0.0.1:{port}/inet"
        self.postfix.postconf("-M", "-e", f"{service}=127.0.0.1:{port} inet n - n - 1 smtpd")
        self.postfix.postconf("-F", "live/unix/chroot=n")
        with open(os.path.join(folder, "main.cf"), encoding="utf-8") as file:
            settings = [line for line in file.read().splitlines() if line and line[0] != "#"]
        # the classes are for all; the restrictions are for this one, where they cannot have blanks
        restrictions = [line for line in settings if line.startswith("smtpd_relay_restrictions")]
        self.postfix.postconf("-e", *(line for line in settings if line not in restrictions))
        name, _, value = restrictions[0].partition(" = ")
        self.postfix.postconf("-P", f"{service}/max_use=1000", f"{service}/rewrite_service_name=live",
                              f"{service}/{name}={value.replace(', ', ',').replace(' ', ',')}")
        self.postfix.reload()
        return port

    def down(self):
        self.postfix.stop()
        self.sandbox.down()
        self.primary.stop()

    def replies(self, sender, *recipients, port=None):
        """The replies to RCPT, in one session."""
        with smtplib.SMTP("127.0.0.1", port or self.postfix.port, timeout=30) as client:
            client.ehlo("client.test")
            assert client.mail(sender)[0] == 250
            return [client.rcpt(recipient) for recipient in recipients]

    def codes(self, sender, *recipients, port=None):
        return [code for code, _ in self.replies(sender, *recipients, port=port)]

    def reply(self, sender, recipient):
        code, text = self.replies(sender, recipient)[0]
        return code, text.decode()

    def relay(self, sender, recipient):
        """Sends a message, and waits until the primary has it."""
        self.messages += 1
        subject = f"message {self.messages}"
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as client:
            client.sendmail(sender, [recipient], f"Subject: {subject}\r\n\r\nbody\r\n")
        message = self.primary.wait(lambda message: f"Subject: {subject}\n" in message.text, 20)
        assert message.recipients == [recipient]

    def smtpd(self):
        """The process id of the one that serves."""
        return int(re.findall(r"postfix/smtpd\[(\d+)\]: ", self.postfix.log_text())[-1])

    def cut_off(self):
        """The database is away for lookupd, and there for its administrators."""
        self.sandbox.sql("RENAME USER lookupd@localhost TO away@localhost")
        with self.sandbox.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.PROCESSLIST WHERE user IN ('lookupd', 'away')")
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL {number}")
        self.sandbox.wait_titles("answering from the snapshot of")

    def join(self):
        self.sandbox.sql("RENAME USER away@localhost TO lookupd@localhost")


@pytest.fixture(scope="module")
def site(request):
    with brought_up(request, Site, lambda made: made.postfix.log_text()[-20000:],
                    lambda made: made.sandbox.log_text()[-8000:]) as made:
        yield made


def test_the_outage(site):
    known = ("u@any.test", "user@listed.test")
    assert site.codes("a@sender.test", *known, "nobody@listed.test", "u@closed.test", "u@unknown.test") == [
        250, 250, 550, 554, 554]
    process = site.smtpd()
    site.cut_off()
    # known ones are taken and relayed, from foreign senders, our own, and for bounces
    for sender in ("b@foreign.test", "b@any.test", ""):
        for recipient in known:
            site.relay(sender, recipient)
    # what a copy vouches for is refused, and nothing else is
    assert site.codes("c@foreign.test", "nobody@listed.test", "u@closed.test", "u@unknown.test", "u@new.test") == [
        550, 554, 451, 451]
    # two domains are added while lookupd cannot know it; one is asked for meanwhile
    site.sandbox.sql("INSERT INTO domain (name, relay) VALUES ('new.test', 'hq'), ('quiet.test', 'hq')")
    assert site.codes("d@foreign.test", "u@new.test") == [451]
    site.join()
    site.sandbox.wait_titles(": live")
    assert site.codes("e@foreign.test", "u@quiet.test", "u@new.test", "u@unknown.test") == [250, 250, 554]
    # smtpd remembers the 451 of a pair of sender and recipient as long as its process lives: that is
    # why it must be no 554
    assert site.codes("d@foreign.test", "u@new.test", "u@quiet.test") == [451, 250]
    assert site.smtpd() == process, "all of this was one process"
    wait_until(lambda: not processes.is_alive(process), 30, what="smtpd has ended by max_idle")
    assert site.codes("d@foreign.test", "u@new.test") == [250]
    site.relay("d@foreign.test", "u@new.test")


def test_every_recipient_live(site):
    """The other way of conf/postfix/README.md: nothing is remembered, neither a refusal nor "come back"."""
    port = site.ask_live()

    def ask(*recipients, sender="live@foreign.test"):
        return site.codes(sender, *recipients, port=port)

    site.sandbox.sql("INSERT INTO alias (address, goto) VALUES ('alias@listed.test', 'user@listed.test')")
    pairs = ("u@any.test", "user@listed.test", "user+x@listed.test", "alias@listed.test", "nobody@listed.test",
             "u@closed.test", "u@unknown.test", "u@later.test")
    answers = [250, 250, 250, 250, 554, 554, 554, 554]
    assert ask(*pairs) == answers and ask(*pairs, sender="") == answers
    process = site.smtpd()
    routed = ("u%elsewhere.test@any.test", "elsewhere.test!u@any.test", '"u@elsewhere.test"@any.test',
              "@any.test:u@elsewhere.test")
    assert ask(*routed) == [554] * 4 == site.codes("live@foreign.test", *routed)
    site.sandbox.sql("INSERT INTO domain (name, relay) VALUES ('later.test', 'hq')",
                     "UPDATE domain SET enabled = 0 WHERE name = 'any.test'")
    assert ask("u@later.test", "u@any.test") == [250, 554]
    site.sandbox.sql("UPDATE domain SET enabled = 1 WHERE name = 'any.test'")
    site.sandbox.copied()
    site.cut_off()
    site.sandbox.sql("INSERT INTO domain (name, relay) VALUES ('outage.test', 'hq')",
                     "INSERT INTO recipient (address) VALUES ('later@listed.test')")
    assert ask("u@any.test", "user@listed.test", "u@later.test", "u@closed.test") == [250, 250, 250, 554]
    assert ask("u@outage.test", "later@listed.test", "u@unknown.test") == [451, 451, 451]
    site.join()
    site.sandbox.wait_titles(": live")
    assert ask("u@outage.test", "later@listed.test", "u@unknown.test") == [250, 250, 554]
    assert site.smtpd() == process, "all of this was one process"
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.sendmail("live@foreign.test", ["u@outage.test"], "Subject: live\r\n\r\nbody\r\n")
    assert site.primary.wait(lambda message: "Subject: live\n" in message.text, 20).recipients == ["u@outage.test"]


def test_foreign_senders_with_reject_unknown_sender_domain(site):
    """What lookupd.conf(5) says of it: they are told to come back, our own are not."""
    site.postfix.postconf("-e", "smtpd_sender_restrictions = reject_unknown_sender_domain")
    site.postfix.reload()
    site.cut_off()
    try:
        # our own domains are looked for in the DNS, where these are not
        assert [site.reply(f"f@{domain}", "u@any.test") for domain in ("any.test", "foreign.test")] == [
            (450, "4.1.8 <f@any.test>: Sender address rejected: Domain not found"),
            (451, "4.3.0 <f@foreign.test>: Temporary lookup failure")]
    finally:
        site.postfix.postconf("-X", "smtpd_sender_restrictions")
        site.postfix.reload()
        site.join()
    site.sandbox.wait_titles(": live")


def test_beyond_max_age(site):
    """Everything is 451 then; the database returns, and all is live again."""
    site.sandbox.mariadb.kill()
    site.sandbox.wait_titles("answering from the snapshot of")
    assert site.codes("g@foreign.test", "u@any.test", "user@listed.test") == [250, 250]
    with open(site.sandbox.conf, encoding="utf-8") as file:
        text = file.read()
    with open(site.sandbox.conf, "w", encoding="utf-8") as file:
        file.write(text.replace(site.sandbox.settings(), site.sandbox.settings(max_age=2)))
    site.sandbox.lookupd.send_signal(signal.SIGHUP)
    site.sandbox.wait_titles("database down, answering temporary errors", 20)
    assert site.codes("h@foreign.test", "u@any.test", "user@listed.test", "nobody@listed.test", "u@closed.test",
                      "u@unknown.test") == [451] * 5
    site.sandbox.mariadb.start()
    site.sandbox.wait_titles(": live")
    assert site.codes("i@foreign.test", "u@any.test", "user@listed.test", "nobody@listed.test", "u@closed.test",
                      "u@unknown.test") == [250, 250, 550, 554, 554]
    site.relay("i@foreign.test", "u@any.test")
