"""Attachments that came must be exactly those that the message announces: names, sizes, digests, types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.model import Attachment, Message
from contracts.ports import Problem
from gateway.core.errors import AttachmentMismatch, TooLarge
from gateway.core.records import StoredAttachment

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
        "The message announces two attachments with the same content_id.",
        "Le message annonce deux pièces jointes avec le même content_id.",
    ),
    "attachment_size": (
        "The part has another size than announced.",
        "La partie n'a pas la taille annoncée.",
    ),
    "attachment_sha256": (
        "The part has another SHA-256 digest than announced.",
        "La partie n'a pas l'empreinte SHA-256 annoncée.",
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


def check_attachments(
    message: Message, parts: Sequence[StoredAttachment], *, limit: int
) -> tuple[StoredAttachment, ...]:
    """The parts in the order of the message, with the announced file names.

    Raises AttachmentMismatch with a JSON pointer for each fault, TooLarge beyond ``limit`` bytes together.
    """
    if sum(a.size for a in message.attachments) > limit:
        raise TooLarge(f"all attachments together are larger than {limit} bytes")
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
