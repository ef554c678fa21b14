"""Clients for the two protocols, as blunt as a test needs them."""

import socket
from urllib.parse import quote_from_bytes, unquote_to_bytes

OK, NOTFOUND, TEMP = "OK", "NOTFOUND", "TEMP"


def _octets(text):
    return text.encode() if isinstance(text, str) else bytes(text)


def _text(octets):
    return octets.decode("utf-8", "surrogateescape")


class Client:
    """A connection: raw octets both ways."""

    def __init__(self, address, timeout=10.0):
        """address: the path of a unix socket, or "host:port"."""
        if address.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.waiting = b""

    def send(self, octets):
        self.socket.sendall(octets)

    def fill(self):
        """Waits for more octets; EOFError when the server has closed."""
        more = self.socket.recv(65536)
        if not more:
            raise EOFError(f"closed by the server after {self.waiting!r}")
        self.waiting += more

    def is_closed(self):
        """Waits (up to the time-out) until the server closes; False when octets come instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class SocketmapClient(Client):
    """query("transport", "u@example.com") returns ("OK", value), ("NOTFOUND", "") or ("TEMP", text)."""

    @staticmethod
    def request(name, key):
        payload = _octets(name) + b" " + _octets(key)
        return b"%d:%s," % (len(payload), payload)

    def reply(self):
        """The payload of the next reply, as octets."""
        while b":" not in self.waiting:
            self.fill()
        length, _, _ = self.waiting.partition(b":")
        assert length.isdigit(), f"no netstring: {self.waiting!r}"
        begin, end = len(length) + 1, len(length) + 1 + int(length)
        while len(self.waiting) <= end:
            self.fill()
        assert self.waiting[end:end + 1] == b",", f"no netstring: {self.waiting!r}"
        payload, self.waiting = self.waiting[begin:end], self.waiting[end + 1:]
        return payload

    def answer(self):
        """The next reply, split: (word, value)."""
        word, _, value = self.reply().partition(b" ")
        return _text(word), _text(value)

    def query(self, name, key):
        self.send(self.request(name, key))
        return self.answer()


class TcpTableClient(Client):
    """query("example.com") returns the same triples as SocketmapClient.query()."""

    WORDS = {b"2": OK, b"5": NOTFOUND, b"4": TEMP}

    @staticmethod
    def request(key):
        # Postfix escapes blanks, '%' and what is not printable ASCII, and nothing else
        safe = bytes(c for c in range(0x21, 0x7f) if c != 0x25)
        return b"get " + quote_from_bytes(_octets(key), safe=safe).encode() + b"\n"

    def reply(self):
        """The next line, as octets, without its end."""
        while b"\n" not in self.waiting:
            self.fill()
        line, _, self.waiting = self.waiting.partition(b"\n")
        return line

    def answer(self):
        line = self.reply()
        status, _, text = line.partition(b" ")
        assert len(status) == 3 and status.isdigit(), f"no tcp_table reply: {line!r}"
        word = self.WORDS[status[:1]]
        return word, "" if word == NOTFOUND else _text(unquote_to_bytes(text))

    def query(self, key):
        self.send(self.request(key))
        return self.answer()
