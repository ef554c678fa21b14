"""The stream of checked lookups (tests/support/stream.py) finds what it is there to find: a server of
the test's own answers wrongly, late, twice or not at all."""

import socketserver
import threading
import time

import pytest

import stream as stream_module
from clients import NOTFOUND, OK, TEMP
from processes import wait_until
from stream import ABSENT, GRACE, ZONE, History, Question, Stream

DEADLINE = 0.1  # so short that a late answer is soon there


class _Tables:
    """Stands for a sandbox: what the stream fills goes nowhere, and this server answers."""

    def __init__(self, folder):
        self.path = folder + "/socketmap"
        self.env = {"SOCKETMAP": self.path}

    def sql(self, *_):
        pass

    def connect(self):
        return self

    cursor = connect

    def execute(self, *_):
        pass

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 50


@pytest.fixture
def served(folder):
    """A function: served(answer) starts a socketmap server; answer(name, key, right, number, send)
    returns the octets to send for the number-th question, or None to close. Returns a Stream."""
    servers = []

    def start(answer):
        tables = _Tables(folder)
        stream = Stream(tables, clients=3, tables=0, deadline=DEADLINE, change_every=None, pause=0.002)
        numbers = iter(range(10 ** 9))

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                while length := self.rfile.readline(6).decode().partition(":"):
                    if not length[0]:
                        return
                    rest = length[2].encode() + self.rfile.read(int(length[0]) + 1 - len(length[2]))
                    name, _, key = rest[:-1].decode().partition(" ")
                    word, value = Question(name, key).answer(stream.history.state)
                    right = _reply(NOTFOUND if word == ABSENT else word, value)
                    octets = answer(name, key.lower(), right, next(numbers), self.wfile.write)
                    if octets is None:
                        return
                    self.wfile.write(octets)

        server = _Server(tables.path, Session)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return stream

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _reply(word, value=""):
    payload = f"{word} {value}".encode()
    return b"%d:%s," % (len(payload), payload)


def _counts(stream, answers=200):
    with stream:
        stream.wait_answers(answers)
    return stream.counts


def test_right_answers_pass(served):
    stream = served(lambda name, key, right, number, send: right if number % 5 else _reply(TEMP, "x"))
    counts = _counts(stream)
    assert stream.check() is counts
    assert counts.found and counts.notfound and counts.temporary


@pytest.mark.parametrize("wrong", [
    _reply(NOTFOUND), _reply(OK, "d99." + ZONE), _reply(OK), _reply("PERM", "no"), b"3:OK ;", b"nonsense ",
], ids=repr)
def test_a_wrong_answer_is_found(served, wrong):
    """One, to a key that is there."""
    sent = []

    def answer(name, key, right, number, send):
        if number > 20 and not sent and right == _reply(OK, key):
            sent.append(key)
            return wrong
        return right

    stream = served(answer)
    with stream:
        wait_until(lambda: sent, 20)
        stream.wait_answers(10)
    assert stream.counts.wrong == 1, stream.counts
    assert sent[0] in stream.counts.faults[0]


@pytest.mark.parametrize("pause", [0, 0.1])
def test_more_replies_than_questions_are_found(served, pause):
    """In one piece with the right reply, or when nothing is asked."""
    def answer(name, key, right, number, send):
        if number != 6:
            return right
        if pause == 0:
            return right + right
        send(right)
        time.sleep(pause)
        return right

    stream = served(answer)
    stream.pause = pause * 4
    assert _counts(stream, 15).wrong == 1, stream.counts


def test_a_late_answer_is_found(served):
    def answer(name, key, right, number, send):
        if number == 60:
            time.sleep(DEADLINE + GRACE + 0.3)
        return right

    stream = served(answer)
    counts = _counts(stream, 150)
    assert (counts.late, counts.wrong) == (1, 0), counts
    with pytest.raises(AssertionError, match="1 late"):
        stream.check()


def test_no_reply_and_lost_connections_are_found(served, monkeypatch):
    monkeypatch.setattr(stream_module, "PATIENCE", 0.5)

    def answer(name, key, right, number, send):
        return {40: b"", 60: None}.get(number, right)

    stream = served(answer)
    with stream:
        stream.wait_answers(100)
        time.sleep(0.6)
    counts = stream.counts
    assert (counts.silent, counts.lost, counts.wrong) == (1, 1, 0), counts


def test_answers_of_a_cache_are_found_in_an_outage(served):
    """When nothing can come from the database, the right answer is a wrong one."""
    stream = served(lambda name, key, right, number, send: right)
    with stream:
        stream.wait_answers(20)
        with stream.outage():
            stream.wait_answers(50)
    assert stream.counts.wrong >= 40, stream.counts


def test_history():
    """Answers are held to the states between question and answer, no more and no less."""
    history, question = History(), Question("relay_domains", "Sub.D1." + ZONE)
    own, wild = ("domain", f"sub.d1.{ZONE}"), ("domain", f".d1.{ZONE}")
    history.initial(wild, (True, None, "any"))
    found, own_found, refused = (OK, f".d1.{ZONE}"), (OK, f"sub.d1.{ZONE}"), (NOTFOUND, "")
    one = history.begin({wild: (False, None, "any")}, 10)
    assert history.answers(question, 0, 9.9) == {found}
    assert history.answers(question, 0, 10) == history.answers(question, 50, 60) == {found, refused}
    history.end(one, 11)
    assert history.answers(question, 10.9, 12) == {found, refused}
    assert history.answers(question, 11, 12) == {refused}
    # a transaction is seen as a whole: never a moment without either row
    two = history.begin({wild: None, own: (True, None, "any")}, 20)
    history.end(two, 21)
    assert history.answers(question, 19, 22) == {refused, own_found}
    assert history.answers(question, 22, 23) == {own_found}
    # a commit of which nobody knows whether it happened
    three = history.begin({own: None}, 30)
    assert history.answers(question, 31, 40) == {own_found, (ABSENT, "")}
    history.undo(three, {own: (True, None, "any")}, 50)
    assert history.answers(question, 31, 40) == {own_found, (ABSENT, "")}
    assert history.answers(question, 50, 60) == {own_found}
    # another node may be a little behind
    history.lag = 5
    assert history.answers(question, 54, 60) == {own_found, (ABSENT, "")}


def test_snapshots(folder):
    """In an outage a snapshot's answers are right; but for a key that it lacks."""
    stream = Stream(_Tables(folder), clients=0, tables=0, change_every=None)
    row, alias = ("domain", f"d1.{ZONE}"), ("alias", f"u@d1.{ZONE}")
    stream.history.initial(row, (True, None, "any"))
    domain, goto = Question("relay_domains", f"d1.{ZONE}"), Question("virtual_aliases", f"u@d1.{ZONE}")
    with stream.copying():
        pass
    stream.history.end(stream.history.begin({row: (False, None, "any"), alias: "x@y.example"}))
    now = time.monotonic()
    assert stream.expected(domain, now, now) == {(OK, f"d1.{ZONE}"), (NOTFOUND, "")}
    with stream.live():
        now = time.monotonic()
        assert stream.expected(domain, now, now) == {(NOTFOUND, "")}
    with stream.outage():
        now = time.monotonic()
        assert stream.expected(domain, now, now) == {(OK, f"d1.{ZONE}")}
        assert stream.expected(goto, now, now) == {(NOTFOUND, "")}
        assert stream.expected(Question("relay_domains", f"d2.{ZONE}"), now, now) == set()
        with stream.copying():
            pass
        now = time.monotonic()
        assert stream.expected(domain, now, now) == {(NOTFOUND, "")}
        assert stream.expected(goto, now, now) == {(OK, "x@y.example")}
