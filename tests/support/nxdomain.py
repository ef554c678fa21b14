"""A DNS server that knows no name: every question is answered NXDOMAIN.

smtp(8) tells a name that does not exist from a resolver that does not answer, and a machine without
a network has only the latter.
"""

import socketserver

from port53 import Port53


class _Question(socketserver.BaseRequestHandler):
    def handle(self):
        data, socket = self.request
        # the question's flags, with QR, RA and RCODE 3 (RFC 1035 4.1.1); no answer sections
        end = data.index(b"\0", 12) + 5
        socket.sendto(data[:2] + b"\x81\x83" + b"\0\1" + b"\0" * 6 + data[12:end],
                      self.client_address)


class NxDomain(Port53):
    """A port 53 that is asked nothing else. Needs root."""

    def __init__(self):
        super().__init__(_Question)
