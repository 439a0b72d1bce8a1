"""``passerelle send FILE`` and ``passerelle client …``: act as a registered UK client."""

from __future__ import annotations

import json
import mimetypes
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import typer

from contracts.codes import MessageType
from gateway.cli.common import JsonOption, fail, leave, options, out, print_json, read_file, run
from gateway.cli.demo.people import first_request
from gateway.cli.setup import CLIENT_KEYS, client_signer, register_client
from gateway.clock import SystemClock
from gateway.config import load_settings
from gateway.core.errors import PasserelleError
from gateway.core.jws import JwsSigner, sign_detached
from gateway.instance import url_of
from gateway.uk_client import FilePart, UkClient

client = typer.Typer(
    no_args_is_help=True, help="UK clients: register, get a token, sign a body (for curl), an example."
)

_CASE = {
    MessageType.SUPPLEMENTARY_DOCUMENT: "documents",
    MessageType.TRANSFER_NOTICE: "transfer-notices",
    MessageType.TRANSFER_OUTCOME: "transfer-outcomes",
    MessageType.CORRECTION: "corrections",
    MessageType.WITHDRAWAL: "withdrawals",
    MessageType.STATUS_UPDATE: "status-updates",
    MessageType.NOMINATION_OUTCOME: "outcomes",
    MessageType.ADMISSION_OUTCOME: "admissions",
}
ClientOption = typer.Option(None, "--client", help="Client id; may be left out when there is only one.")


def _key_file(client_id: str | None) -> Path:
    folder = options.folder / CLIENT_KEYS
    if client_id is None:
        found = sorted(folder.glob("*.key.pem"))
        if len(found) != 1:
            fail(
                f"{len(found)} client keys in {folder}",
                cure="name one with --client, or make one: passerelle client register NAME",
            )
        return found[0]
    path = folder / f"{client_id}.key.pem"
    if not path.exists():
        fail(
            f"no key of client {client_id} in {folder}", cure="passerelle client register makes a client here"
        )
    return path


def _signer(client_id: str | None) -> tuple[str, JwsSigner]:
    path = _key_file(client_id)
    try:
        return path.name.removesuffix(".key.pem"), client_signer(path)
    except PasserelleError as exc:
        leave(exc)


@asynccontextmanager
async def _connected(client_id: str, signer: JwsSigner) -> AsyncIterator[UkClient]:
    part = load_settings(options.folder).uk_api
    base = part.public_url or url_of(part.host, part.port, tls=part.tls)
    connector = None
    if part.tls:
        context = ssl.create_default_context(cafile=str(options.folder / "ca" / "ca.crt.pem"))
        connector = aiohttp.TCPConnector(ssl=context)
    async with UkClient(
        base, client_id=client_id, signer=signer, clock=SystemClock(), connector=connector
    ) as connected:
        yield connected


def _path(body: Any, reference: str | None) -> str:
    """The route for a body; both lives share some message types, told apart by the reference."""
    try:
        type_ = MessageType(body["type"])
    except (KeyError, TypeError, ValueError):
        fail('the file has no known "type"', cure=f"one of: {', '.join(MessageType)}")
    if type_ is MessageType.READMISSION_REQUEST:
        return "/v1/readmission-requests"
    if type_ is MessageType.NOMINATION:
        return "/v1/nominations"
    if type_ not in _CASE:
        fail(f"{type_} is not sent by the UK through this API")
    if reference is None:
        fail(f"{type_} belongs to a case", cure="name it with --reference")
    life = "nominations" if reference[2:4] == "02" else "readmission-requests"
    return f"/v1/{life}/{reference}/{_CASE[type_]}"


def _attachments(body: Any, given: list[str]) -> tuple[FilePart, ...]:
    parts = []
    announced = {a.get("content_id"): a for a in body.get("attachments", []) if isinstance(a, dict)}
    for item in given:
        content_id, _, name = item.partition("=")
        path = Path(name)
        if not name or not path.is_file():
            fail(f"--attach {item}: give CONTENT_ID=FILE with a readable file")
        guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        media_type = announced.get(content_id, {}).get("media_type", guessed)
        parts.append(FilePart(content_id=content_id, media_type=media_type, path=path))
    return tuple(parts)


def send(
    file: Path = typer.Argument(..., metavar="FILE", help="A message body, JSON."),
    reference: str | None = typer.Option(None, help="The case, for every message but the opening one."),
    attach: list[str] = typer.Option([], help="CONTENT_ID=FILE; may be given several times."),
    client_id: str | None = ClientOption,
    as_json: bool = JsonOption,
) -> None:
    """Send one message through the running gateway, as a registered UK client, and check its receipt."""
    try:
        body = json.loads(read_file(file))
    except ValueError:
        fail(f"{file} is not JSON in UTF-8", cure="passerelle client example prints a body that is")
    path = _path(body, reference)
    attachments = _attachments(body, attach)
    name, signer = _signer(client_id)

    async def work() -> dict[str, Any]:
        async with _connected(name, signer) as connected:
            receipt = await connected.send(path, body, attachments=attachments)
        return {
            "message_id": receipt.message_id,
            "reference": receipt.reference,
            "status": receipt.status,
            "receipt_verified": True,
        }

    result = run(work)
    if as_json:
        print_json(result)
        return
    out.print(
        f"{result['status']}: message {result['message_id']} of case {result['reference']}", markup=False
    )
    out.print("The gateway's signed receipt was checked against what was sent.")


@client.command("register")
def register(
    client_id: str = typer.Argument(..., metavar="CLIENT_ID", help="A name of your choice."),
) -> None:
    """Register a UK client with all scopes and a new key (ES256). Restart the gateway to use it."""
    try:
        path = register_client(options.folder, client_id)
    except PasserelleError as exc:
        leave(exc)
    out.print(f"Registered {client_id}; private key in {path}", markup=False)


@client.command("example")
def example() -> None:
    """Print the body of a readmission request that holds today, about an invented person."""
    print_json(first_request(SystemClock().now()))


@client.command("token")
def token(client_id: str | None = ClientOption) -> None:
    """Print an access token of the running gateway (private_key_jwt), for use with curl."""
    name, signer = _signer(client_id)

    async def work() -> str:
        async with _connected(name, signer) as connected:
            return await connected.token()

    typer.echo(run(work))


@client.command("sign")
def sign(
    file: Path = typer.Argument(..., metavar="FILE", help="The body to post."),
    client_id: str | None = ClientOption,
) -> None:
    """Print the detached JWS over FILE's exact bytes: the x-jws-signature header, for use with curl."""
    typer.echo(sign_detached(read_file(file), _signer(client_id)[1]))
