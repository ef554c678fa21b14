#!/usr/bin/python3
"""An SMTP server that accepts everything and keeps it: what stands behind a backup MX.

As a program: smtp_sink.py HOST:PORT FILE appends each message to FILE, the envelope before it.
"""

import socketserver
import sys
import threading


class Message:
    """One message as it came: envelope addresses without brackets, and the text."""

    def __init__(self, sender):
        self.sender = sender
        self.recipients = []
        self.text = ""


class _Session(socketserver.StreamRequestHandler):
    timeout = 60

    def answer(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.session()
        except (ConnectionError, TimeoutError):
            pass

    def session(self):
        message = None
        self.answer("220 sink.test ESMTP")
        for line in self.rfile:
            line = line.decode("utf-8", "replace").strip()
            verb = line.partition(" ")[0].upper()
            if verb == "EHLO":
                self.answer("250-sink.test\r\n250-8BITMIME\r\n250 SMTPUTF8")
            elif verb == "MAIL":
                message = Message(self.address(line))
                self.answer("250 2.1.0 Ok")
            elif verb == "RCPT":
                message.recipients.append(self.address(line))
                self.answer("250 2.1.5 Ok")
            elif verb == "DATA":
                self.answer("354 End data with <CR><LF>.<CR><LF>")
                message.text = self.data()
                self.server.sink.add(message)
                self.answer("250 2.0.0 Ok: kept")
            elif verb == "QUIT":
                self.answer("221 2.0.0 Bye")
                return
            else:
                self.answer("250 2.0.0 Ok")

    @staticmethod
    def address(line):
        return line.partition("<")[2].partition(">")[0]

    def data(self):
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines).decode("utf-8", "replace").replace("\r\n", "\n")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class SmtpSink:
    """Listens from start() to stop(), on the same port each time; the messages stay."""

    def __init__(self, host="127.0.0.1", port=0):
        self.host, self.port = host, port
        self.messages = []
        self.lock = threading.Condition()
        self.server = None

    def start(self):
        self.server = _Server((self.host, self.port), _Session)
        self.server.sink = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def add(self, message):
        with self.lock:
            self.messages.append(message)
            self.lock.notify_all()

    def wait(self, condition=lambda message: True, timeout=20):
        """The first message for which condition is true, when it has come; else AssertionError."""
        def found():
            return next((message for message in self.messages if condition(message)), None)
        with self.lock:
            assert self.lock.wait_for(found, timeout), \
                f"no such message within {timeout} s; there are {len(self.messages)}"
            return found()


class _FileSink(SmtpSink):
    def __init__(self, host, port, path):
        super().__init__(host, port)
        self.path = path

    def add(self, message):
        super().add(message)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"MAIL FROM:<{message.sender}>\n")
            file.writelines(f"RCPT TO:<{recipient}>\n" for recipient in message.recipients)
            file.write(f"\n{message.text}\n")


def main():
    host, _, port = sys.argv[1].rpartition(":")
    _FileSink(host, int(port), sys.argv[2]).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
