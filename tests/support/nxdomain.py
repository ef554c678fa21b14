"""A DNS server that knows no name: every question is answered NXDOMAIN.

smtp(8) tells a name that does not exist from a resolver that does not answer, and a machine without
a network has only the latter.
"""

import random
import socketserver
import threading


class _Question(socketserver.BaseRequestHandler):
    def handle(self):
        data, socket = self.request
        # the question's flags, with QR, RA and RCODE 3 (RFC 1035 4.1.1); no answer sections
        end = data.index(b"\0", 12) + 5
        socket.sendto(data[:2] + b"\x81\x83" + b"\0\1" + b"\0" * 6 + data[12:end],
                      self.client_address)


class NxDomain:
    """Listens on port 53 of .address, one of the loopback's that nobody else uses. Needs root."""

    def __init__(self):
        for _ in range(20):
            self.address = f"127.{random.randint(64, 254)}.{random.randint(1, 254)}.53"
            try:
                self.server = socketserver.ThreadingUDPServer((self.address, 53), _Question)
                break
            except OSError:
                continue
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
