"""A DNS server of a test's own: resolv.conf(5) knows addresses, and no ports."""

import random
import socketserver
import threading


class Port53:
    """Listens on port 53 of .address, one of the loopback's that nobody else uses. Each question is
    handled by a socketserver.BaseRequestHandler, which finds this as .server.owner. Needs root."""

    def __init__(self, handler):
        for left in reversed(range(20)):
            self.address = f"127.{random.randint(64, 254)}.{random.randint(1, 254)}.53"
            try:
                self.server = socketserver.ThreadingUDPServer((self.address, 53), handler)
                break
            except OSError:
                if not left:
                    raise
        self.server.owner = self
        self.server.daemon_threads = True  # one that waits does not hold up the end
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
