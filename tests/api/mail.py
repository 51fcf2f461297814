"""Mail to customers by a real mail server that insists on TLS and on an account.

    python mail.py PROGRAM
"""

import email
import email.policy
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import date, timedelta

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from shop import Shop, eventually

DAY = 24 * 3600 * 1_000_000


class Inbox:
    def __init__(self):
        self.mail = []

    async def handle_DATA(self, server, session, envelope):
        assert session.ssl is not None and session.authenticated, "it came without TLS or account"
        self.mail.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"reunite", b"a secret")
    return AuthResult(success=right)


def mail_server(folder, inbox):
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-addext", "basicConstraints=critical,CA:FALSE"],
        check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Local(Controller):
        def factory(self):
            return SMTP(self.handler, tls_context=context, require_starttls=True, authenticator=authenticate,
                        auth_required=True, hostname="localhost")

        def _trigger_server(self):
            with socket.create_connection(self.server.sockets[0].getsockname()[:2]) as line:
                line.recv(1024)

    controller = Local(inbox, hostname="localhost", port=0)
    controller.start()
    return controller.server.sockets[0].getsockname()[1], certificate


def part(message, kind):
    return next(part.get_content() for part in message.walk() if part.get_content_type() == kind)


def post(url, **fields):
    request = urllib.request.Request(url, data=urllib.parse.urlencode(fields).encode())
    return urllib.request.urlopen(request).read().decode()


def main(program):
    inbox = Inbox()
    shop = Shop(program)
    port, certificate = mail_server(shop.scratch, inbox)
    (shop.scratch / "password").write_text("a secret\n")
    (shop.data / "reunite.toml").write_text(
        f'[mail]\nserver = "localhost:{port}"\nca_file = "{certificate}"\nuser = "reunite"\n'
        f'password_file = "{shop.scratch}/password"\nfrom = "Der Laden <bilder@laden.example>"\nshop = "Der Laden"\n'
        "quiet_seconds = 0\n[retire]\nafter_days = 100\nnotice_days = 10\n"
    )
    shop.records(["harbour", "tulips", "stag"])
    shop.run("customer", "mail", "anna", "no address", fails=True)
    shop.run("customer", "mail", "anna", "anna@kunden.example", "--language", "de")
    shop.run("customer", "mail", "anna", "--test")
    assert inbox.mail.pop()[0] == ["anna@kunden.example"]

    def database():
        return sqlite3.connect(shop.data / "catalogue.sqlite", timeout=10)

    with shop.serve() as address:
        assert not inbox.mail, "nothing has happened yet"
        shop.send("originals/harbour.jpg", "malformed/text-named.jpg")
        to, message = eventually(lambda: inbox.mail and inbox.mail[0])
        assert to == ["anna@kunden.example"]
        assert message["from"] == "Der Laden <bilder@laden.example>"
        assert message["subject"] == "Eines Ihrer Bilder ist wieder da", message["subject"]
        text, page = part(message, "text/plain"), part(message, "text/html")
        assert "Von 3 Bildern ist 1 wieder da, 2 fehlen noch." in text, text
        assert "<strong>ist 1 wieder da</strong>" in page, page
        link = message["list-unsubscribe"].strip("<>")
        assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
        assert link in text and link in page.replace("&amp;", "&")
        link = re.sub(r"^https?://[^/]+", address, link)
        assert "no mail" in urllib.request.urlopen(link).read().decode()

        # Once a day at most, however much happens.
        shop.send("originals/tulips.jpg")
        time.sleep(2)
        assert len(inbox.mail) == 1, "a second mail on one day"
        # The button of a mail program.
        assert post(link, **{"List-Unsubscribe": "One-Click"}) == "switched off\n"
        with database() as rows:
            rows.execute("UPDATE customers SET mailed_at = mailed_at - ?", [DAY])
        time.sleep(2)
        assert len(inbox.mail) == 1, "it was switched off"
        assert "switched off" in shop.run("customer", "mail", "anna")
        assert "Send me no mail" in post(link, switch="on")
        _, message = eventually(lambda: inbox.mail[1:] and inbox.mail[1])
        # The day was set back, so both pictures count as new.
        assert message["subject"] == "2 Ihrer Bilder sind wieder da", message["subject"]
        try:
            post(link[:-1] + ("A" if link[-1] != "A" else "B"), switch="off")
            raise AssertionError("another key did something")
        except urllib.error.HTTPError as refused:
            assert refused.code == 404

    # Nothing was sent for long: what is still missing is announced to be removed, by mail and on the page, and looked for on.
    with database() as rows:
        rows.execute("UPDATE customers SET mailed_at = mailed_at - ?, mail_since = 0", [DAY])
        rows.execute("UPDATE records SET imported_at = imported_at - ?", [200 * DAY])
        rows.execute("UPDATE uploads SET received_at = received_at - ?", [150 * DAY])
        rows.execute("UPDATE attachments SET placed_at = placed_at - ?", [150 * DAY])
    with shop.serve():
        _, message = eventually(lambda: inbox.mail[2:] and inbox.mail[2])
        day = date.today() + timedelta(days=11)
        months = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
                  "Dezember"]
        # Midnight may have passed since.
        days = [f"{day.day}. {months[day.month - 1]} {day.year}" for day in (day, day - timedelta(days=1))]
        assert message["subject"] in [f"Noch vermisst: 1 Bild, das am {day} entfernt wird" for day in days], message["subject"]
        for form in ("text/plain", "text/html"):
            assert "wird ein Bild, das noch fehlt, entfernt" in part(message, form)
        with database() as rows:
            assert rows.execute("SELECT count(*), sum(retire_mailed) FROM records WHERE retire_at IS NOT NULL").fetchone() == (1, 1)
        time.sleep(2)
        assert len(inbox.mail) == 3, "it is told once"
        inbox.mail.pop()

        # A mail server that refuses is not asked for ever, and says why in the status.
        shop.run("customer", "mail", "ben", "ben@kunden.example", fails=True)
        (shop.scratch / "password").write_text("wrong\n")
    with database() as rows:
        rows.execute("UPDATE customers SET mailed_at = mailed_at - ?", [DAY])
    with shop.serve():
        shop.send("originals/stag.jpg")
        eventually(lambda: "mail could not be sent" in shop.run("status"))
        assert len(inbox.mail) == 2


main(sys.argv[1])
