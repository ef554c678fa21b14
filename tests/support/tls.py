"""Certificates for servers of tests."""

import os
import subprocess


def self_signed(folder, name):
    """A certificate for 127.0.0.1 that is its own authority: its key and itself, which a server of
    another account can read too."""
    key, certificate = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", certificate],
                   check=True, capture_output=True, timeout=30)
    os.chmod(key, 0o644)
    return key, certificate
