#!/usr/bin/python3
"""smtp_dialogue.py HOST:PORT SENDER RECIPIENT [SUBJECT]: talks to an SMTP server and shows it.

Without a subject it stops after RCPT. Exit code 1 when the recipient is refused.
"""

import smtplib
import sys


def main():
    address, sender, recipient, *subject = sys.argv[1:]
    host, _, port = address.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=30) as client:
        client.ehlo("client.test")

        def say(line, reply):
            print(f"{line:<42} {reply[0]} {reply[1].decode()}")
            return reply[0]

        say(f"MAIL FROM:<{sender}>", client.mail(sender))
        code = say(f"RCPT TO:<{recipient}>", client.rcpt(recipient))
        if code == 250 and subject:
            text = f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject[0]}\r\n\r\nhello\r\n"
            say("DATA", client.data(text))
        return 0 if code == 250 else 1


if __name__ == "__main__":
    sys.exit(main())
