"""Attachments that came must be exactly those that the message announces: names, sizes, digests, types.

What the message announces is judged before its attachments are read (``announced``), what came afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.model import Attachment, Message
from contracts.ports import Problem, ValidDocument
from gateway.core.errors import AttachmentMismatch, TooLarge
from gateway.core.records import StoredAttachment
from gateway.flows.exchange import Limits

_TEXTS = {
    "attachment_missing": (
        "The message announces this attachment, but no part has its content_id.",
        "Le message annonce cette pièce jointe, mais aucune partie ne porte son content_id.",
    ),
    "attachment_not_announced": (
        "A part came that the message does not announce.",
        "Une partie reçue n'est pas annoncée par le message.",
    ),
    "attachment_repeated": (
        "Two attachments have the same content_id.",
        "Deux pièces jointes portent le même content_id.",
    ),
    "attachment_size": (
        "The part has another size than announced.",
        "La partie n'a pas la taille annoncée.",
    ),
    "attachment_sha256": (
        "The part has another SHA-256 digest than announced.",
        "La partie n'a pas l'empreinte SHA-256 annoncée.",
    ),
    "too_many_attachments": (
        "The message announces more attachments than allowed.",
        "Le message annonce plus de pièces jointes que permis.",
    ),
    "attachment_too_large": (
        "The attachment is larger than allowed.",
        "La pièce jointe est plus volumineuse que permis.",
    ),
    "attachments_too_large": (
        "All attachments together are larger than allowed.",
        "L'ensemble des pièces jointes est plus volumineux que permis.",
    ),
    "attachment_media_type": (
        "The part has another media type than announced.",
        "La partie n'a pas le type de contenu annoncé.",
    ),
}


def _problem(path: str, code: str) -> Problem:
    english, french = _TEXTS[code]
    return Problem(path=path, code=code, message_en=english, message_fr=french)


def _differences(path: str, announced: Attachment, part: StoredAttachment) -> Iterator[Problem]:
    if part.size != announced.size:
        yield _problem(f"{path}/size", "attachment_size")
    elif part.sha256 != announced.sha256:
        yield _problem(f"{path}/sha256", "attachment_sha256")
    if part.media_type != announced.media_type:
        yield _problem(f"{path}/media_type", "attachment_media_type")


@dataclass(frozen=True, kw_only=True, slots=True)
class Announced:
    """What a valid message says of one attachment, before it is read."""

    index: int
    size: int


def announced(document: ValidDocument, limits: Limits) -> dict[str, Announced]:
    """By content_id, what a body of the UK contract announces. Raises TooLarge before a byte is read."""
    items = document.parsed.get("attachments", ()) if isinstance(document.parsed, Mapping) else ()
    _check_sizes([item["size"] for item in items], limits)
    return {item["content_id"]: Announced(index=n, size=item["size"]) for n, item in enumerate(items)}


def _check_sizes(sizes: Sequence[int], limits: Limits) -> None:
    if len(sizes) > limits.attachments:
        raise TooLarge(
            f"a message has at most {limits.attachments} attachments",
            problems=(_problem("/attachments", "too_many_attachments"),),
        )
    problems = tuple(
        _problem(f"/attachments/{n}/size", "attachment_too_large")
        for n, size in enumerate(sizes)
        if size > limits.attachment_bytes
    )
    if problems:
        raise TooLarge(f"an attachment has at most {limits.attachment_bytes} bytes", problems=problems)
    if sum(sizes) > limits.attachments_bytes:
        raise TooLarge(
            f"all attachments together have at most {limits.attachments_bytes} bytes",
            problems=(_problem("/attachments", "attachments_too_large"),),
        )


def mismatch(path: str, code: str) -> AttachmentMismatch:
    """The refusal of one fault, found while reading."""
    return AttachmentMismatch(_TEXTS[code][0], problems=(_problem(path, code),))


def check_attachments(
    message: Message, parts: Sequence[StoredAttachment], *, limits: Limits
) -> tuple[StoredAttachment, ...]:
    """The parts in the order of the message, with the announced file names.

    Raises AttachmentMismatch with a JSON pointer for each fault, TooLarge beyond the limits.
    """
    _check_sizes([a.size for a in message.attachments], limits)
    came = {part.content_id: part for part in parts}
    found: list[StoredAttachment] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, announced in enumerate(message.attachments):
        path = f"/attachments/{index}"
        part = came.get(announced.content_id)
        if announced.content_id in seen:
            problems.append(_problem(f"{path}/content_id", "attachment_repeated"))
        elif part is None:
            problems.append(_problem(f"{path}/content_id", "attachment_missing"))
        else:
            problems.extend(_differences(path, announced, part))
            found.append(
                StoredAttachment(
                    content_id=announced.content_id,
                    media_type=announced.media_type,
                    file_name=announced.file_name,
                    content=part.content,
                )
            )
        seen.add(announced.content_id)
    if any(content_id not in seen for content_id in came):
        problems.append(_problem("/attachments", "attachment_not_announced"))
    if problems:
        raise AttachmentMismatch("the attachments are not those announced", problems=tuple(problems))
    return tuple(found)
