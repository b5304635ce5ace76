"""A mail server for the tests: takes every mail, and keeps it with how it came.

smtp_server.py FOLDER starttls|tls|plain; says its port on standard output.
"""

import asyncio
import email
import email.policy
import json
import logging
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

FOLDER = pathlib.Path(sys.argv[1])
MODE = sys.argv[2]
# What it has to say of old-fashioned logins is not for the test's output.
logging.disable(logging.CRITICAL)

LOGIN = LoginPassword(b"backup", b"correct horse")


class Keeper:
    """Keeps mails as 0.json, 1.json, …"""

    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        kept = {
            "envelope_from": envelope.mail_from,
            "envelope_to": envelope.rcpt_tos,
            "tls": session.ssl is not None or MODE == "tls",
            "login": session.auth_data.login.decode() if session.auth_data else None,
            "headers": {name: str(value) for name, value in mail.items()},
            "type": mail.get_content_type(),
            "parts": [part.get_content_type() for part in mail.iter_parts()],
            "text": mail.get_body(("plain",)).get_content().replace("\r\n", "\n"),
            "html": mail.get_body(("html",)).get_content(),
            "longest_line": max(map(len, envelope.original_content.split(b"\r\n"))),
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
        }
        temporary = FOLDER / "mail.part"
        temporary.write_text(json.dumps(kept))
        temporary.rename(FOLDER / f"{Keeper.count}.json")
        Keeper.count += 1
        return "250 kept"


def authenticate(server, session, envelope, mechanism, data):
    if data == LOGIN:
        return AuthResult(success=True, auth_data=data)
    return AuthResult(success=False, handled=False)


def protocol(context):
    if MODE == "starttls":
        return SMTP(
            Keeper(), hostname="localhost", tls_context=context, require_starttls=True, auth_required=True,
            authenticator=authenticate,
        )
    if MODE == "tls":
        return SMTP(
            Keeper(), hostname="localhost", auth_require_tls=False, auth_required=True, authenticator=authenticate,
        )
    return SMTP(Keeper(), hostname="localhost")


async def main():
    context = None
    if MODE != "plain":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(FOLDER / "server.pem", FOLDER / "server.key")
    wrapper = context if MODE == "tls" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(context), "127.0.0.1", 0, ssl=wrapper)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
