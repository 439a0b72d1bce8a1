"""The UK acknowledges an inbox message: what it posts, which message it means, and what becomes of that."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from adapters.uk.read import parse_json
from contracts import model
from contracts.codes import AckStatus, Direction, MessageType
from contracts.ports import InvalidDocument, Problem
from gateway.core.errors import Conflict, MalformedBody, NotFound, SchemaViolation
from gateway.core.records import MessageRecord, MessageStatus
from gateway.flows.ports import Transaction


def acknowledgement_body(content: bytes, of_message: str, now: dt.datetime) -> bytes:
    """``{status, code}`` completed with what path and clock say; what is given must agree with the path.

    Raises MalformedBody, SchemaViolation.
    """
    try:
        given: Any = parse_json(content)
    except InvalidDocument as exc:
        detail = "the body is not one well-formed JSON object in UTF-8"
        raise MalformedBody(detail, problems=exc.problems) from exc
    if not isinstance(given, dict):
        raise MalformedBody("the body is not a JSON object")
    if given.get("of_message", of_message) != of_message:
        problem = Problem(
            path="/of_message",
            code="const",
            message_en="The value must agree with the path of the request.",
            message_fr="La valeur doit correspondre au chemin de la requête.",
        )
        raise SchemaViolation("of_message is not the message of the path", problems=(problem,))
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    defaults = {"type": "Acknowledgement", "of_message": of_message, "code": None, "at": at}
    return json.dumps({**defaults, **given}, ensure_ascii=False).encode()


async def inbox_message(tx: Transaction, message_id: str) -> MessageRecord:
    """The message that is acknowledged. Raises NotFound, and Conflict when that was done before."""
    record = await tx.get_message(message_id)
    if record is None or record.direction is not Direction.FR_TO_UK:
        raise NotFound("no such message in the inbox")
    if record.status in {MessageStatus.ACKNOWLEDGED, MessageStatus.REJECTED}:
        raise Conflict("the message was acknowledged before")
    return record


def is_travelling(inbound: MessageRecord) -> bool:
    """Whether our acknowledgement goes to France: an acknowledgement is never itself acknowledged there."""
    return inbound.type is not MessageType.ACKNOWLEDGEMENT


async def settle(
    tx: Transaction, inbound: MessageRecord, body: model.Body, *, client_id: str, now: dt.datetime
) -> MessageStatus:
    """The inbox message is dealt with: the UK has taken it into account, or rejected it."""
    if not isinstance(body, model.Acknowledgement):
        raise TypeError("only an acknowledgement settles an inbox message")
    rejected = body.status is AckStatus.REJECTED
    status = MessageStatus.REJECTED if rejected else MessageStatus.ACKNOWLEDGED
    code = body.code.value if body.code is not None else None
    await tx.update_message(inbound.message_id, at=now, status=status, code=code)
    await tx.append_audit(
        at=now,
        actor=f"client:{client_id}",
        action=f"message.{status.value}",
        subject=inbound.message_id,
        data={"code": code, "reference": inbound.reference},
    )
    return status
