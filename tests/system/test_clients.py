"""Clients of every kind: byte by byte, pipelined, many at once, malformed, vanishing."""

import os
import re
import selectors
import signal
import socket
import threading
import time

import pytest

import processes
from clients import NOTFOUND, OK, TEMP, SocketmapClient, TcpTableClient
from processes import wait_until

SANDBOX_SETTINGS = "workers = 2; limits = { request_timeout = 1.0; };"


@pytest.fixture
def filled(sandbox):
    sandbox.sql("INSERT INTO relay (name, nexthop) VALUES ('hq', '[192.0.2.10]:25')",
                "INSERT INTO domain (name, relay) SELECT CONCAT('d', seq, '.example.com'), 'hq' "
                "FROM seq_0_to_999",
                "INSERT INTO domain (name, recipients) VALUES ('listed.example.com', 'listed')",
                "INSERT INTO recipient (address) SELECT CONCAT('r', seq, '@listed.example.com') "
                "FROM seq_0_to_99")
    return sandbox


def _expect(name, number):
    """A key for a map, and the answer to it; every other key does not exist."""
    there = number % 2 == 0
    domain = f"d{number // 2 % 1000}.example.com" if there else f"n{number}.example.com"
    if name == "relay_domains":
        return domain, (OK, domain) if there else (NOTFOUND, "")
    if name == "transport":
        return f"u{number}@{domain}", (OK, "relay:[192.0.2.10]:25") if there else (NOTFOUND, "")
    assert name == "relay_recipients"
    if there:
        address = f"r{number // 2 % 100}@listed.example.com"
        return address, (OK, address)
    return f"x{number}@listed.example.com", (NOTFOUND, "")


def test_byte_by_byte(filled):
    with filled.socketmap() as client:
        for octet in SocketmapClient.request("relay_domains", "d7.example.com"):
            client.send(bytes([octet]))
            time.sleep(0.002)
        assert client.answer() == (OK, "d7.example.com")
    with filled.tcp_table("transport") as client:
        for octet in TcpTableClient.request("u@d7.example.com"):
            client.send(bytes([octet]))
            time.sleep(0.002)
        assert client.answer() == (OK, "relay:[192.0.2.10]:25")


@pytest.mark.parametrize("count", [100, 3000])
def test_pipelined(filled, count):
    """Many requests in one write are answered in order; 3,000 are more than a connection has open."""
    names = ["relay_domains", "transport", "relay_recipients"]
    asked = [(names[i % 3], *_expect(names[i % 3], i)) for i in range(count)]
    with filled.socketmap() as client:
        octets = b"".join(SocketmapClient.request(name, key) for name, key, _ in asked)
        sender = threading.Thread(target=client.send, args=(octets,))
        sender.start()
        for name, key, answer in asked:
            assert client.answer() == answer, (name, key)
        sender.join()
    with filled.tcp_table("transport") as client:
        asked = [_expect("transport", i) for i in range(count)]
        octets = b"".join(TcpTableClient.request(key) for key, _ in asked)
        sender = threading.Thread(target=client.send, args=(octets,))
        sender.start()
        for key, answer in asked:
            assert client.answer() == answer, key
        sender.join()


def test_half_closed(filled):
    """A client that has shut down its sending side still gets its answers."""
    with filled.socketmap() as client:
        for number in range(20):
            client.send(SocketmapClient.request("transport", _expect("transport", number)[0]))
        client.socket.shutdown(socket.SHUT_WR)
        for number in range(20):
            assert client.answer() == _expect("transport", number)[1]
        assert client.is_closed()


def test_ten_clients_at_once(filled):
    """Each client asks another map and gets its own answers."""
    names = ["relay_domains", "transport", "relay_recipients"]
    wrong = []

    def ask(index):
        name = names[index % 3]
        with filled.socketmap() as client:
            for number in range(index, 600 + index):
                key, answer = _expect(name, number * 7 + index)
                got = client.query(name, key)
                if got != answer:
                    wrong.append((name, key, got))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


MALFORMED = [
    b"x", b":", b"-1:a b,", b"+3:a b,", b" 3:a b,", b"03:a b,", b"3:a b;", b"3:abc,", b"1: ,",
    b"0:,", b"65537:", b"99999999999999999999:", b"67108864:relay_domains x,", b"3;a b,",
    b"2: x,", b"\0", b"\xff\xff", b"GET / HTTP/1.1\r\n\r\n",
]


@pytest.mark.parametrize("octets", MALFORMED, ids=lambda octets: repr(octets[:24]))
def test_malformed_socketmap(filled, octets):
    """One error reply, then close; another client, of the same worker too, notices nothing."""
    with filled.socketmap() as good, filled.socketmap() as second, filled.socketmap() as client:
        client.send(SocketmapClient.request("relay_domains", "d1.example.com") + octets)
        assert client.answer() == (OK, "d1.example.com")
        assert client.answer()[0] == TEMP
        assert client.is_closed() and client.waiting == b""
        for other in (good, second):
            assert other.query("relay_domains", "d2.example.com") == (OK, "d2.example.com")


@pytest.mark.parametrize("octets", [
    b"put a b\n", b"get\n", b"GET a\n", b"get %zz\n", b"get %4\n", b"\n", b"get " + b"x" * 70000,
    b"quit\n",
], ids=lambda octets: repr(octets[:24]))
def test_malformed_tcp_table(filled, octets):
    with filled.tcp_table("relay_domains") as good, filled.tcp_table("relay_domains") as client:
        client.send(TcpTableClient.request("d1.example.com") + octets)
        assert client.answer() == (OK, "d1.example.com")
        assert client.answer()[0] == TEMP
        assert client.is_closed() and client.waiting == b""
        assert good.query("d2.example.com") == (OK, "d2.example.com")


def test_unknown_map_is_no_refusal(filled):
    """A name mistyped in main.cf is a temporary error, and the connection goes on."""
    with filled.socketmap() as client:
        word, text = client.query("relay_domain", "d1.example.com")
        assert word == TEMP and "map" in text
        assert client.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")


def test_unfinished_request(filled):
    """A request that has begun and does not come to its end; an idle client stays."""
    with filled.socketmap() as idle, filled.socketmap() as client, filled.socketmap() as slow:
        assert idle.query("relay_domains", "d1.example.com")[0] == OK
        client.send(b"29:relay_domains d1.exam")
        begun = time.monotonic()
        # a client that goes on asking is not unfinished
        for number in range(8):
            request = SocketmapClient.request("relay_domains", "d1.example.com")
            slow.send(request[5:] if number else request)
            slow.send(request[:5])
            assert slow.answer()[0] == OK
            time.sleep(0.2)
        assert client.answer()[0] == TEMP
        assert client.is_closed()
        assert time.monotonic() - begun < 4
        assert idle.query("relay_domains", "d1.example.com")[0] == OK


def test_clients_that_vanish(filled):
    """Clients that go away between question and answer disturb nobody, and leave nothing behind."""
    before = [processes.fd_count(pid) for pid in filled.workers()]
    with filled.socketmap() as good:
        for turn in range(300):
            client = filled.raw()
            client.send(SocketmapClient.request("transport", f"u@d{turn}.example.com") * (1 + turn % 5))
            if turn % 3 == 0:
                client.send(b"30:relay_dom")
            client.close()
            if turn % 50 == 0:
                assert good.query("relay_domains", "d3.example.com")[0] == OK
    wait_until(lambda: [processes.fd_count(pid) for pid in filled.workers()] == before, 5,
               what="descriptors as before")


def _read_all(clients, expected, seconds=20):
    """Waits for one answer of each client; {client: answer}."""
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
    got = {}
    end = time.monotonic() + seconds
    while len(got) < expected and time.monotonic() < end:
        for key, _ in selector.select(1):
            got[key.data] = key.data.answer()
    selector.close()
    return got


def _database_connections(sandbox):
    """Open connections of lookupd's account."""
    return sandbox.sql("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'lookupd'")[0][0]


def test_500_clients(filled):
    """500 connected, 50 of them asking: all answered, few connections to the database, small and
    evenly loaded workers."""
    clients = [filled.socketmap() for _ in range(500)]
    try:
        asking = clients[::10]
        for turn in range(40):
            for index, client in enumerate(asking):
                client.send(SocketmapClient.request(
                    "transport", _expect("transport", turn * 50 + index)[0]))
            got = _read_all(asking, len(asking))
            for index, client in enumerate(asking):
                assert got[client] == _expect("transport", turn * 50 + index)[1]
        assert _database_connections(filled) == 2 * 2  # workers times database.connections
        for pid in filled.workers():
            sanitized = _is_sanitized(pid)
            assert sanitized or processes.rss_kib(pid) < 24 * 1024
        loads = [processes.fd_count(pid) for pid in filled.workers()]
        assert max(loads) - min(loads) < 50, f"clients are not spread evenly: {loads}"
    finally:
        for client in clients:
            client.close()


def test_connects_leave_nothing(filled):
    """10,000 connects: descriptors and memory as after the first."""
    def connect(count):
        for _ in range(count):
            with filled.socketmap() as client:
                assert client.query("relay_domains", "d1.example.com")[0] == OK

    connect(1500)
    workers = filled.workers()
    time.sleep(0.5)  # the last client has gone, but perhaps not yet for its worker
    fds = [processes.fd_count(pid) for pid in workers]
    rss = [processes.rss_kib(pid) for pid in workers]
    connect(8500)
    assert filled.workers() == workers
    wait_until(lambda: [processes.fd_count(pid) for pid in workers] == fds, 5,
               what="descriptors as before")
    for pid, before in zip(workers, rss):
        assert processes.rss_kib(pid) < before + 1024 or _is_sanitized(pid)


def _is_sanitized(pid):
    """An address sanitizer keeps freed memory for a while: there its own leak check decides."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return "libasan" in file.read()


def test_a_million_lookups(filled):
    """Memory after 1,000,000 lookups is as after the first 100,000."""
    def ask(count):
        keys = [_expect("relay_domains", i) for i in range(200)]
        octets = b"".join(SocketmapClient.request("relay_domains", key) for key, _ in keys)
        words = [answer for _, answer in keys]
        with filled.socketmap() as client:
            for _ in range(count // 200):
                client.send(octets)
                for answer in words:
                    assert client.answer() == answer

    def several(count):
        threads = [threading.Thread(target=ask, args=(count // 4,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    sanitized = _is_sanitized(filled.workers()[0])
    several(100_000 if not sanitized else 20_000)
    workers = filled.workers()
    rss = [processes.rss_kib(pid) for pid in workers]
    several(900_000 if not sanitized else 60_000)
    assert filled.workers() == workers
    for pid, before in zip(workers, rss):
        assert sanitized or processes.rss_kib(pid) < before + 1024


class Stream:
    """Clients that ask all the time and check every answer; a closed connection is opened again,
    and what was asked on it is asked once more, as Postfix does."""

    def __init__(self, sandbox, count=8, may_be_temporary=False):
        self.sandbox = sandbox
        self.temporary = may_be_temporary
        self.wrong, self.lost, self.answers, self.late = [], 0, 0, 0.0
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(count)]

    def _run(self, index):
        client, number = self.sandbox.socketmap(), index
        while not self.stopped.is_set():
            number += 8
            name = ("relay_domains", "transport", "relay_recipients")[number % 3]
            key, answer = _expect(name, number)
            begun = time.monotonic()
            for attempt in range(2):
                try:
                    got = client.query(name, key)
                    break
                except (EOFError, OSError) as error:
                    self.lost += 1
                    client.close()
                    client = self.sandbox.socketmap()
                    got = error
            self.late = max(self.late, time.monotonic() - begun)
            if got != answer and not (self.temporary and got[0] == TEMP):
                self.wrong.append((name, key, got))
            self.answers += 1
        client.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def _title_number(pid):
    return int(re.match(r"lookupd: worker (\d+)", processes.title(pid))[1])


def test_worker_killed_under_load(filled):
    """kill -9 of a worker: its clients come back at once, the others notice nothing, it is replaced
    within a second, and no answer is wrong."""
    with Stream(filled) as stream:
        for _ in range(3):
            time.sleep(1.2)
            victim = filled.workers()[0]
            number = _title_number(victim)
            others = [pid for pid in filled.workers() if pid != victim]
            killed = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: any(_title_number(pid) == number for pid in filled.workers()
                                   if pid != victim), 1.0, what="the worker is back")
            assert time.monotonic() - killed < 1.0
            assert set(others) <= set(filled.workers())
        time.sleep(0.5)
    assert stream.wrong == []
    assert 0 < stream.lost <= 3 * 8
    assert stream.answers > 1000
    assert stream.late < 1.0


def test_worker_that_stands_still(new_sandbox):
    """A worker that does not move is killed after limits.stall and replaced; the others serve on."""
    sandbox = new_sandbox("workers = 2; limits = { stall = 1.0; };")
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    victim = sandbox.workers()[0]
    os.kill(victim, signal.SIGSTOP)
    wait_until(lambda: not processes.is_alive(victim), 4, what="the stopped worker is killed")
    wait_until(lambda: len(sandbox.workers()) == 2, 2, what="there is a new one")
    assert "has not moved" in sandbox.log_text()
    assert sandbox.query("relay_domains", "d1.example.com")[0] == OK


def test_stop_finishes_what_is_asked(new_sandbox):
    """SIGTERM: requests that were sent before are answered; then all processes end."""
    sandbox = new_sandbox("workers = 2;")
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    clients = [sandbox.socketmap() for _ in range(20)]
    with sandbox.connect() as locker, locker.cursor() as cursor:
        cursor.execute("LOCK TABLES domain WRITE")
        for client in clients:
            client.send(SocketmapClient.request("relay_domains", "d1.example.com"))
        time.sleep(0.3)
        os.kill(sandbox.lookupd.pid, signal.SIGTERM)
        time.sleep(0.3)
        cursor.execute("UNLOCK TABLES")
        for client in clients:
            assert client.answer() == (OK, "d1.example.com")
            assert client.is_closed()
    sandbox.lookupd.wait(5)
    assert sandbox.lookupd.returncode == 0
    sandbox.start_lookupd()  # the socket file that is left, if any, is replaced
    assert sandbox.query("relay_domains", "d1.example.com")[0] == OK


def test_second_signal_stops_at_once(new_sandbox):
    sandbox = new_sandbox("workers = 2; deadline = 20.0;")
    with sandbox.connect() as locker, locker.cursor() as cursor, sandbox.socketmap() as client:
        cursor.execute("LOCK TABLES domain WRITE")
        client.send(SocketmapClient.request("relay_domains", "d1.example.com"))
        time.sleep(0.2)
        os.kill(sandbox.lookupd.pid, signal.SIGTERM)
        time.sleep(0.5)
        assert sandbox.lookupd.poll() is None
        begun = time.monotonic()
        os.kill(sandbox.lookupd.pid, signal.SIGTERM)
        sandbox.lookupd.wait(3)
        assert time.monotonic() - begun < 1.5
        cursor.execute("UNLOCK TABLES")


def test_parent_killed(new_sandbox):
    """Nothing is left running when the parent is killed."""
    sandbox = new_sandbox("workers = 2;")
    workers = sandbox.workers()
    assert len(workers) == 2
    os.kill(sandbox.lookupd.pid, signal.SIGKILL)
    wait_until(lambda: not any(processes.is_alive(pid) for pid in workers), 5,
               what="the workers have ended")
