"""Art 16 on everything that came from France, inside the steps of ``accept_fr``. Raises PrivacyBreach."""

from __future__ import annotations

from lxml import etree

from contracts import codes, model
from contracts.ports import ValidDocument
from contracts.xml import XmlRefused, parse_xml
from gateway.core import identifiers
from gateway.core.as4.message import UserMessage
from gateway.core.errors import PrivacyBreach
from gateway.core.records import CaseRecord
from gateway.core.treaty import privacy
from gateway.core.treaty.rules import CaseView
from gateway.flows.ports import Store, Transaction


async def case_with_receipt(tx: Transaction, case: CaseRecord) -> CaseView:
    """The case as rules and gate see it, with the proven receipt of its opening message (Art 8)."""
    history = await tx.history(case.reference)
    return CaseView(
        kind=case.kind,
        status=case.status,
        created_at=case.created_at,
        messages=tuple(message for _, message in history),
        opening_received_at=history[0][0].delivered_at if history else None,
    )


def _names(view: CaseView | None) -> frozenset[str]:
    messages = view.messages if view is not None else ()
    return frozenset(name for message in messages for name in identifiers.names_of(message))


def _documents(view: CaseView | None) -> frozenset[str]:
    messages = view.messages if view is not None else ()
    pairs = (pair for message in messages for pair in identifiers.identifiers(message))
    return frozenset(value for kind, value in pairs if kind == identifiers.DOCUMENT)


async def refuse_personal_data(
    store: Store, header: UserMessage, content: bytes, wire: tuple[str, ...]
) -> None:
    """A document that the contract refuses may be refused because of personal data: then it is an incident
    of Art 16, not only a mistake of form. Raises PrivacyBreach."""
    try:
        texts = privacy.raw_texts(parse_xml(content), names_of_parts=True)
    except XmlRefused:
        texts = ()
    async with store.begin(read_only=True) as tx:
        case = await tx.case_by_conversation(header.conversation_id)
        view = await case_with_receipt(tx, case) if case is not None else None
    stand_in = model.Message(
        message_id=header.message_id.partition("@")[0],
        reference=case.reference if case is not None else "",
        conversation_id=header.conversation_id,
        issued_at=header.timestamp,
        in_reply_to=None,
        body=model.StatusUpdate(code=codes.StatusUpdateCode.MEDICAL_ENDED, since=header.timestamp),
    )
    problems = privacy.check_from_france(
        stand_in, texts, names=_names(view), documents=_documents(view), wire=wire
    )
    if problems:
        raise PrivacyBreach("the document carries personal data (Art 16)", problems=problems)


def check(
    message: model.Message,
    document: ValidDocument,
    header: UserMessage,
    wire: tuple[str, ...],
    view: CaseView,
) -> None:
    """Header, MIME headers, every text of the document, the canonical message. Raises PrivacyBreach."""
    root = document.parsed
    if not etree.iselement(root):
        raise TypeError("the French contract judges XML")
    problems = privacy.check_from_france(
        message,
        privacy.raw_texts(root),
        names=_names(view),
        documents=_documents(view),
        wire=wire,
        properties=[p.name for p in header.properties],
        part_properties=[p.name for part in header.parts for p in part.properties],
        document=root,
    )
    if problems:
        raise PrivacyBreach("the message carries personal data (Art 16)", problems=problems)
