"""Bounds: whatever clients do, memory stays small, and those who ask and take their answers are served."""

import collections
import contextlib
import os
import pwd
import re
import resource
import selectors
import socket
import subprocess
import time
from urllib.parse import unquote_to_bytes

import pytest

import processes
from clients import NOTFOUND, OK, TEMP, SocketmapClient
from processes import wait_until
from sandbox import free_ports
from stream import Stream

BIG = 90000  # octets of the value of the key "k" of the map "big"
MAPS = ("maps = { big = { keys = \"exact\"; "
        f"query = \"SELECT 'k', REPEAT('x', {BIG}) FROM DUAL WHERE 'k' IN (:key)\"; }}; }};")
SANDBOX_SETTINGS = ("workers = 1; limits = { request_timeout = 2.5; buffers = 1048576; waiting = 50; "
                    "clients = 3000; }; " + MAPS)


@pytest.fixture(autouse=True, scope="module")
def many_descriptors():
    """Thousands of clients are ours, too."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def filled(sandbox):
    sandbox._ready_map = "relay_domains"
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    return sandbox


@contextlib.contextmanager
def _clients():
    """A list for clients, which are closed at the end."""
    with contextlib.ExitStack() as stack:
        made = []
        stack.callback(lambda: [client.close() for client in made])
        yield made


def _is_sanitized(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return "libasan" in file.read()


def _asks(client):
    return client.query("relay_domains", "d1.example.com")


def test_answers_of_one_client(filled):
    """Beyond limits.outstanding answers are temporary: one for each question, and the right ones."""
    with filled.socketmap() as client:
        client.send(SocketmapClient.request("big", "k") * 30
                    + SocketmapClient.request("relay_domains", "d1.example.com"))
        words = collections.Counter()
        for _ in range(30):
            word, value = client.answer()
            assert value == "x" * BIG if word == OK else word == TEMP
            words[word] += 1
        assert words[OK] >= 2 and words[TEMP] > 0, words
        assert client.answer() == (OK, "d1.example.com")
        for _ in range(5):  # one after the other nothing is too much
            assert client.query("big", "k") == (OK, "x" * BIG)


def _is_full(sandbox, modest, hogs):
    """One more client that asks for much and takes nothing: is it enough?"""
    client = sandbox.socketmap()
    client.send(SocketmapClient.request("big", "k") * 8)
    hogs.append(client)
    return modest.query("big", "k")[0] == TEMP


def test_full_worker_serves_the_modest(filled):
    """limits.buffers is used up: who asks a question and takes its answer notices nothing; others get
    temporary answers, until there is room again."""
    with _clients() as hogs, filled.socketmap() as modest, filled.socketmap() as long_request:
        wait_until(lambda: _is_full(filled, modest, hogs), what="limits.buffers is used up")
        assert len(hogs) < 30
        for _ in range(100):
            assert _asks(modest) == (OK, "d1.example.com")
            assert modest.query("relay_domains", "d9.example.com") == (NOTFOUND, "")
        long_request.send(b"60000:relay_domains " + b"x" * 20000)
        assert long_request.answer()[0] == TEMP
        assert long_request.is_closed()
        # a hog that takes what it asked for gets whole replies only, one for each question
        words = collections.Counter()
        with contextlib.suppress(EOFError, ConnectionError):  # its time may be over
            for _ in range(8):
                word, value = hogs[0].answer()
                assert value == "x" * BIG if word == OK else word == TEMP
                words[word] += 1
            assert words[OK] > 0 and words[TEMP] > 0, words
            assert _asks(hogs[0]) == (OK, "d1.example.com")
        for hog in hogs:
            hog.close()
        wait_until(lambda: modest.query("big", "k")[0] == OK, 5, what="there is room again")
        assert _asks(modest) == (OK, "d1.example.com")


def test_answers_are_taken_in_time(filled):
    """A client that takes a little now and then is given up; one that is quick enough is not."""
    with filled.socketmap() as slow:
        slow.send(SocketmapClient.request("big", "k") * 2)
        begun, got = time.monotonic(), 0
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begun < 10:
                octets = slow.socket.recv(2000)
                if not octets:
                    break
                got += len(octets)
                time.sleep(0.1)
        assert got < 2 * BIG, "all of it was kept for the slow client"
        assert time.monotonic() - begun < 8
    with filled.socketmap() as quick:
        quick.send(SocketmapClient.request("big", "k"))
        time.sleep(0.5)
        assert quick.answer() == (OK, "x" * BIG)


def test_waiting_lookups(filled):
    """More than limits.waiting: temporary at once, before the others' time is over."""
    with _clients() as clients, filled.connect() as locker, locker.cursor() as cursor:
        cursor.execute("LOCK TABLES domain WRITE")
        for _ in range(40):
            client = filled.socketmap()
            client.send(SocketmapClient.request("relay_domains", "d1.example.com") * 10)
            clients.append(client)
        with filled.socketmap() as last:
            wait_until(lambda: _temporary_at_once(last), 1.5, what="too many wait")
        cursor.execute("UNLOCK TABLES")
        words = collections.Counter()
        for client in clients:
            for _ in range(10):
                answer = client.answer()
                assert answer == (OK, "d1.example.com") or answer[0] == TEMP
                words[answer[0]] += 1
        assert words[OK] > 0 and words[TEMP] > 0, words


def _temporary_at_once(client):
    begun = time.monotonic()
    answer = _asks(client)
    return answer[0] == TEMP and time.monotonic() - begun < 0.5


def _try(make, key):
    """The answer to the first question of a new client; TEMP also when it is closed."""
    try:
        with make() as client:
            return client.query(*key)
    except (EOFError, ConnectionError):
        return TEMP, "closed"


def _served(make, *key):
    """A new client whose first question was answered, or None."""
    client = make()
    with contextlib.suppress(EOFError, ConnectionError):
        if client.query(*key)[0] == OK:
            return client
    client.close()
    return None


def test_clients_that_are_too_many(new_sandbox):
    """One client more than limits.clients is told so; when others have gone, there is room."""
    sandbox = new_sandbox("workers = 1; limits = { clients = 20; };")
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    with _clients() as clients:
        for number in range(20):
            clients.append(wait_until(
                lambda: _served(sandbox.socketmap, "relay_domains", "d1.example.com") if number % 2 else
                _served(lambda: sandbox.tcp_table("relay_domains"), "d1.example.com"),
                what="clients of before have gone"))
        told = 0
        for _ in range(20):
            begun = time.monotonic()
            for answer in (_try(sandbox.socketmap, ("relay_domains", "d1.example.com")),
                           _try(lambda: sandbox.tcp_table("relay_domains"), ("d1.example.com",))):
                assert answer[0] == TEMP
                told += answer[1] == "too many clients"
            assert time.monotonic() - begun < 1
        assert told >= 20  # rather than only closed
        assert "limits.clients is reached" in sandbox.log_text()
        clients.pop().close()
        wait_until(lambda: _try(sandbox.socketmap, ("relay_domains", "d1.example.com"))[0] == OK, 5)


def _limit_descriptors(pid, most):
    """Sets the soft limit of a running process; as its own user, who always may."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        ids = {line[:3]: int(line.split()[1]) for line in file if line[:4] in ("Uid:", "Gid:")}
    as_it = {"user": ids["Uid"], "group": ids["Gid"], "extra_groups": []} if os.getuid() == 0 else {}
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={most}:"], check=True, timeout=20, **as_it)


def test_descriptors_used_up(filled):
    """EMFILE: who is connected is served, others are turned away at once, and it ends when it ends."""
    worker = filled.workers()[0]
    with filled.socketmap() as client, _clients() as others:
        assert _asks(client)[0] == OK
        _limit_descriptors(worker, processes.fd_count(worker) + 5)
        turned_away = 0
        for _ in range(30):
            other = filled.socketmap()
            others.append(other)
            begun = time.monotonic()
            try:
                other.send(SocketmapClient.request("relay_domains", "d1.example.com"))
                answer = other.answer()
            except (EOFError, ConnectionError):
                answer = TEMP, "closed"
            assert time.monotonic() - begun < 1
            assert answer == (OK, "d1.example.com") or answer[0] == TEMP
            turned_away += answer[0] == TEMP
            assert _asks(client) == (OK, "d1.example.com")
        assert 25 <= turned_away < 30
        _limit_descriptors(worker, 4000)
        assert filled.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")
    assert filled.workers() == [worker]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start it as another user")
def test_few_descriptors_from_the_start(new_sandbox):
    """A hard limit that is too low for limits.clients: fewer clients, but the database always has its
    descriptors."""
    sandbox = new_sandbox("workers = 1;")
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    sandbox.stop_lookupd()
    (port,) = free_ports(1)
    sandbox.write_conf(f'workers = 1; listeners = ({{ protocol = "socketmap"; '
                       f'address = "inet:127.0.0.1:{port}"; }});')
    nobody = pwd.getpwnam("nobody")

    def become_nobody():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)

    with open(sandbox.log, "ab") as log:
        sandbox.lookupd = subprocess.Popen(
            [os.path.join(sandbox.programs, "lookupd"), "-f", "-c", sandbox.conf],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=become_nobody)

    def make():
        return SocketmapClient(f"127.0.0.1:{port}", 10)

    wait_until(lambda: processes.title(sandbox.lookupd.pid).startswith("lookupd: parent"))
    wait_until(lambda: _try(make, ("relay_domains", "d1.example.com"))[0] == OK)
    assert "only 64 descriptors may be open" in sandbox.log_text()
    with _clients() as clients:
        for _ in range(60):
            clients.append(make())
        served = []
        for client in clients:
            with contextlib.suppress(EOFError, ConnectionError):
                if _asks(client)[0] == OK:
                    served.append(client)
        assert 5 <= len(served) < 40
        sandbox.mariadb.stop()
        assert _asks(served[0])[0] == TEMP
        sandbox.mariadb.start()
        wait_until(lambda: _asks(served[0]) == (OK, "d1.example.com"), 10, what="connected again")


# ---- a hostile crowd ----

class Crowd:
    """Clients that do what no client should: each kind in as many connections as asked for."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.sockets = {}  # socket: kind
        self.selector = selectors.DefaultSelector()
        self.replaced = 0

    KINDS = ("slow writer", "slow reader", "never reads", "half closed", "idle", "large request")

    def connect(self, kind):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        try:
            client.connect(self.sandbox.env["SOCKETMAP"])
        except BlockingIOError:  # the backlog is full: another time
            client.close()
            return
        self.sockets[client] = kind
        self.selector.register(client, selectors.EVENT_READ, kind)
        with contextlib.suppress(OSError):
            if kind in ("slow reader", "never reads"):
                client.send(SocketmapClient.request("big", "k") * 12)
            elif kind == "half closed":
                client.send(SocketmapClient.request("relay_domains", "d1.example.com")[:-3])
                client.shutdown(socket.SHUT_WR)
            elif kind == "large request":
                client.send(b"65530:relay_domains " + b"y" * 65000)

    def drop(self, client):
        self.selector.unregister(client)
        kind = self.sockets.pop(client)
        client.close()
        return kind

    def turn(self):
        """Each does its evil once; those that the server has closed come again."""
        for client, kind in list(self.sockets.items()):
            if kind == "slow writer":
                with contextlib.suppress(OSError):
                    client.send(b"9")
        for key, _ in self.selector.select(0):
            if key.data == "never reads":
                continue  # it does not even see its end: the server must not need that
            try:
                octets = key.fileobj.recv(1 if key.data == "slow reader" else 4096)
            except OSError:
                octets = b""
            if not octets:
                self.replaced += 1
                self.connect(self.drop(key.fileobj))

    def close(self):
        for client in list(self.sockets):
            self.drop(client)
        self.selector.close()


def _crowd(sandbox, figures, count, seconds, bound):
    """count hostile clients for some time beside a stream of good ones. bound: MiB of each worker."""
    with Stream(sandbox, clients=6, tables=2, change_every=0.05) as stream:
        crowd = Crowd(sandbox)
        most = collections.Counter()
        try:
            stream.wait_live()
            end = time.monotonic() + seconds
            for number in range(count):
                crowd.connect(Crowd.KINDS[number % len(Crowd.KINDS)])
                if number % 100 == 0:
                    crowd.turn()
            while time.monotonic() < end:
                crowd.turn()
                for pid in sandbox.workers():
                    most[pid] = max(most[pid], processes.rss_kib(pid))
                for _ in range(50):  # a storm of connects beside it
                    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                        client.setblocking(False)
                        client.connect(sandbox.env["SOCKETMAP"])
                time.sleep(0.05)
            assert crowd.replaced > 0
            with stream.phase() as crowded:
                stream.wait_answers(50)
        finally:
            crowd.close()
        stream.wait_live(5)
        workers = sandbox.workers()
    stream.check()
    assert crowded.found + crowded.notfound > 0
    figures(f"{count} clients, {seconds} s: resident at most {dict(most)} KiB")
    assert set(most) == set(workers), "a worker has ended"
    for pid in workers:
        assert _is_sanitized(pid) or most[pid] < bound * 1024, most


CROWD_SETTINGS = ("workers = 2; limits = { request_timeout = 2.0; buffers = 4194304; clients = 20000; };"
                  + MAPS)


def test_hostile_crowd(new_sandbox, figures):
    """2,000 clients of every evil kind: every answer to others is right and in time, memory is small."""
    sandbox = new_sandbox(CROWD_SETTINGS)
    # sanitizers make a worker several times slower, and say nothing about its memory
    _crowd(sandbox, figures, 600 if _is_sanitized(sandbox.workers()[0]) else 2000, 6, 40)


@pytest.mark.long
def test_hostile_crowd_long(new_sandbox, figures):
    """18,000 clients, about 9,000 for each worker, with the default bounds, for a minute and a half."""
    sandbox = new_sandbox("workers = 2; " + MAPS)
    _crowd(sandbox, figures, min(18000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1000), 90, 300)


# ---- every message, cut and changed in every place ----

SOCKETMAP = [b"28:relay_domains d1.example.com,", b"26:transport u@d1.example.com,",
             b"20:relay_domains x.test,28:relay_domains d1.example.com,"]
TCP_TABLE = [b"get d1.example.com\n", b"get d1%2Eexample.com\r\n", b"get x.test\nget D1.example.com.\n"]
OCTETS = b"\0\xff ,:019-+%\n\rg."
MAPS_SERVED = (b"relay_domains", b"transport", b"relay_recipients", b"virtual_aliases", b"client_access",
               b"sender_access", b"recipient_access")


def _words(name, key):
    """The words that may answer a question."""
    if name not in MAPS_SERVED:
        return {TEMP}
    if name != b"relay_domains":
        return {OK, NOTFOUND}
    key = key.lower()
    return {OK} if key in (b"d1.example.com", b"d1.example.com.") else {NOTFOUND}


def _socketmap_replies(octets):
    """An independent reading of the protocol: for each reply, the words that it may be."""
    expected = []
    while octets:
        if re.fullmatch(rb"0|[1-9][0-9]{0,4}", octets) and int(octets) <= 65536:
            break  # may become a length
        match = re.match(rb"([1-9][0-9]{0,4}):", octets)
        if not match or not 2 <= int(match[1]) <= 65536:
            return [*expected, {TEMP}]
        payload, rest = octets[match.end():][:int(match[1])], octets[match.end() + int(match[1]):]
        if not rest:
            break  # not complete
        name, blank, key = payload.partition(b" ")
        if rest[:1] != b"," or not blank or not name:
            return [*expected, {TEMP}]
        expected.append(_words(name, key))
        octets = rest[1:]
    return expected


def _tcp_table_replies(octets):
    expected = []
    while octets:
        line, end, rest = octets.partition(b"\n")
        if octets[:4] != b"get "[:len(octets)]:
            return [*expected, {TEMP}]
        if not end:
            break
        key = line[4:].removesuffix(b"\r")
        if re.search(rb"%(?![0-9A-Fa-f]{2})", key):
            return [*expected, {TEMP}]
        expected.append(_words(b"relay_domains", unquote_to_bytes(key)))
        octets = rest
    return expected


def _variants(message, octets):
    """The message cut at each place, with each octet left out, and with each turned into others."""
    for at in range(len(message)):
        yield message[:at]
        yield message[:at] + message[at + 1:]
        for octet in {message[at] ^ 1 << bit for bit in range(8)} | set(octets):
            yield message[:at] + bytes([octet]) + message[at + 1:]
    yield message


def _send_all(make, replies, messages, octets):
    """Each variant over a connection of its own, whose end comes at once: exactly the replies that an
    independent reading of the protocol expects. Returns how many there were."""
    count = 0
    for message in messages:
        for variant in set(_variants(message, octets)):
            with make() as client:
                client.send(variant)
                client.socket.shutdown(socket.SHUT_WR)
                expected = replies(variant)
                for words in expected:
                    word, value = client.answer()
                    assert word in words, (variant, word, value)
                    assert word != OK or value in ("d1.example.com", "relay:"), (variant, value)
                assert client.is_closed() and client.waiting == b"", variant
                count += 1
    return count


def test_messages_cut_and_changed(filled):
    assert _send_all(filled.socketmap, _socketmap_replies, SOCKETMAP, OCTETS) > 1500
    assert _send_all(lambda: filled.tcp_table("relay_domains"), _tcp_table_replies, TCP_TABLE, OCTETS) > 900
    assert _asks_again(filled)


@pytest.mark.long
def test_messages_with_every_octet(filled):
    """The same with all 256 octets in each place, and both protocols at each other's door."""
    every = bytes(range(256))
    count = _send_all(filled.socketmap, _socketmap_replies, SOCKETMAP + TCP_TABLE, every)
    count += _send_all(lambda: filled.tcp_table("relay_domains"), _tcp_table_replies,
                       TCP_TABLE + SOCKETMAP, every)
    assert count > 60000
    assert _asks_again(filled)


def _asks_again(sandbox):
    with sandbox.socketmap() as client, sandbox.tcp_table("relay_domains") as other:
        return _asks(client)[0] == OK and other.query("d1.example.com")[0] == OK
