"""A network that fails: a proxy of the test's own between lookupd and a real mariadbd.

    with Proxy(sandbox.mariadb.socket, folder + "/db.sock") as proxy:   # or "127.0.0.1:3307"
        proxy.fault = delayed(0.5)
        ...
        proxy.fault = passing

A fault is a function (conversation, octets) that yields what goes on to the client of what the server
sent, or raises Cut. It sees the conversation's last command, so that it can wait for the result of a
prepared statement. What the client sends goes on at once, unless the fault has a .client of its own.
"""

import contextlib
import itertools
import os
import socket
import struct
import threading
import time

STMT_EXECUTE = 0x17  # COM_STMT_EXECUTE of the client/server protocol


class Cut(Exception):
    """The connection ends here. reset: by RST, with what was on its way."""

    def __init__(self, reset=False):
        super().__init__()
        self.reset = reset


class HalfClosed(Exception):
    """The server's side says that it sends no more, and goes on to listen."""


class Conversation:
    """One connection through the proxy."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.command = None  # the first octet of the last command
        self.replied = 0  # octets of the server since then
        self.before = 0  # the same, without those that are just passed on
        self.requests = 0  # pieces that the client sent
        self.ended = threading.Event()

    def end(self, reset=False):
        self.ended.set()
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                if reset and each.family != socket.AF_UNIX:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    each.close()
                else:
                    each.shutdown(socket.SHUT_RDWR)

    def sleep(self, seconds):
        """Waits, but not longer than the connection lives."""
        if self.ended.wait(seconds):
            raise Cut

    def upwards(self):
        """What the client sends."""
        with contextlib.suppress(OSError, Cut):
            while octets := self.client.recv(65536):
                self.requests += 1
                self.replied = 0
                if len(octets) > 4:
                    self.command = octets[4]
                handle = getattr(self.proxy.fault, "client", passing)
                for piece in handle(self, octets):
                    self.server.sendall(piece)
        self.end()

    def downwards(self):
        """What the server sends."""
        reset = False
        try:
            while octets := self.server.recv(65536):
                # counted first: the answer to what is passed on may be quicker than this thread
                self.before, self.replied = self.replied, self.replied + len(octets)
                for piece in self.proxy.fault(self, octets):
                    self.client.sendall(piece)
        except Cut as cut:
            reset = cut.reset
        except HalfClosed:
            with contextlib.suppress(OSError):
                self.client.shutdown(socket.SHUT_WR)
            return
        except OSError:
            pass
        self.end(reset)


# ---- faults ----

def passing(conversation, octets):
    """None."""
    yield octets


def delayed(seconds):
    """Everything from the server comes so much later. seconds: a number, or a function."""
    def fault(conversation, octets):
        conversation.sleep(seconds() if callable(seconds) else seconds)
        yield octets
    return fault


def blackhole(conversation, octets):
    """Nothing arrives any more, and nobody says so."""
    yield from ()


blackhole.client = blackhole


def swallow_tls(conversation, octets):
    """A server that wants TLS and never answers its first message: the greeting is all that comes."""
    if conversation.requests == 0:
        yield octets


def byte_by_byte(conversation, octets):
    """Every octet in a piece of its own."""
    for octet in octets:
        yield bytes((octet,))
        time.sleep(0)


def is_execute(conversation):
    """The client waits for the result of a prepared statement (in clear text)."""
    return conversation.command == STMT_EXECUTE


def _reaches(conversation, octets, after, wanted):
    """With these octets a reply that is wanted gets longer than that."""
    return wanted(conversation) and conversation.before <= after < conversation.before + len(octets)


def cut_reply(after, reset=False, hits=None, every=1, wanted=is_execute):
    """Replies end after so many octets, and the connection is cut; shorter ones come whole. every:
    only each so-many-th that is long enough. hits: a list that gets an element for each cut. wanted:
    which replies, as a function of the conversation."""
    numbers = itertools.count(1)

    def fault(conversation, octets):
        if _reaches(conversation, octets, after, wanted) and next(numbers) % every == 0:
            if hits is not None:
                hits.append(after)
            yield octets[:after - conversation.before]
            raise Cut(reset)
        yield octets
    return fault


def half_closed_reply(after, wanted=is_execute):
    """The server's side closes in the middle of a reply and still listens."""
    def fault(conversation, octets):
        if _reaches(conversation, octets, after, wanted):
            yield octets[:after - conversation.before]
            raise HalfClosed
        yield octets
    return fault


def stalled_reply(after, wanted=is_execute):
    """A reply stops in its middle, and nothing more comes."""
    def fault(conversation, octets):
        if _reaches(conversation, octets, after, wanted):
            yield octets[:after - conversation.before]
            while True:
                conversation.sleep(60)
        yield octets
    return fault


# ---- the proxy ----

def _socket(address):
    return socket.socket(socket.AF_UNIX if address.startswith("/") else socket.AF_INET)


def _where(address):
    if address.startswith("/"):
        return address
    host, _, port = address.rpartition(":")
    return host, int(port)


class Proxy:
    """Addresses are paths of unix sockets or "host:port"."""

    def __init__(self, upstream, address):
        self.upstream, self.address = upstream, address
        self.fault = passing
        self.conversations = []
        self.listener = None
        self.accepted = 0

    def start(self):
        self.listener = _socket(self.address)
        if self.address.startswith("/"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address)
        else:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(_where(self.address))
        if self.address.startswith("/"):
            os.chmod(self.address, 0o777)
        self.listener.listen(100)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            server = _socket(self.upstream)
            try:
                server.connect(_where(self.upstream))
            except OSError:
                client.close()
                server.close()
                continue
            for each in (client, server):
                if each.family != socket.AF_UNIX:
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conversation = Conversation(self, client, server)
            self.conversations = [c for c in self.conversations if not c.ended.is_set()]
            self.conversations.append(conversation)
            for pump in (conversation.upwards, conversation.downwards):
                threading.Thread(target=pump, daemon=True).start()

    def refuse(self):
        """Closes the listener: new connections are refused. start() opens it again."""
        if self.listener is not None:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None

    def cut(self, reset=False):
        """Ends all connections."""
        for conversation in self.conversations:
            conversation.end(reset)

    def stop(self):
        self.refuse()
        self.cut()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
