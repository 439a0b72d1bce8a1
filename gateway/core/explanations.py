"""What a code of an attempt, a refusal or a hold means to an operator: outcome, cause, cure, whose side.

One table for console, command line and alerts. Codes of rules and quotas bring their own texts; a code that
nobody knows is shown as such, never hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from contracts.codelists import label
from contracts.codes import AckCode
from gateway.core.errors import Side
from gateway.core.explanations_as4 import (
    ANSWER_CAUSE,
    ANSWER_CURE,
    ANSWER_OUTCOME,
    AS4_TITLES,
    EBMS,
    UNSEALED,
    UNSEALED_OTHERWISE,
)
from gateway.core.explanations_delivery import DELIVERY, FRENCH_FIX, Row
from gateway.core.records import Attempt, Channel
from gateway.core.treaty import quotas
from gateway.core.treaty.rules import all_rules
from gateway.core.words import Words


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """One code in words. ``known`` is False for the answer to a code that is in no table."""

    code: str
    outcome: Words
    cause: Words
    cure: Words
    side: Side
    known: bool = True


NOTHING: Final = Words("Nothing to do.", "Rien à faire.")
_NO_MAPPING: Final = Words(
    "The French contract cannot carry a value: the UK system corrects it, or operators agree on a mapping.",
    "Le contrat français ne peut exprimer une valeur : le système britannique la rectifie, ou les "
    "exploitants conviennent d'une correspondance.",
)
_DECIDE: Final = Words(
    "Decide in the holding area: release it or refuse it.",
    "Statuer dans la zone d'attente : libérer le message ou le refuser.",
)
_WAIT_ROOM: Final = Words(
    "It goes by itself when there is room; a supervisor may raise the quota.",
    "Il part de lui-même dès qu'une place se libère ; un superviseur peut relever le quota.",
)


def _row(code: str, row: Row) -> Explanation:
    outcome, cause, cure, side = row
    return Explanation(code=code, outcome=outcome, cause=cause, cure=cure, side=side)


@cache
def _table() -> Mapping[str, Explanation]:
    found = {code: _row(code, row) for code, row in {**DELIVERY, **EBMS}.items()}
    for code, (outcome, cause) in AS4_TITLES.items():
        found[code] = Explanation(code=code, outcome=outcome, cause=cause, cure=FRENCH_FIX, side=Side.FR)
    for code in (*quotas.CODES, quotas.FOLLOWS):
        problem = quotas.problem_of(code)
        found[code] = Explanation(
            code=code,
            outcome=Words("Waits for room", "En attente d'une place"),
            cause=Words(problem.message_en, problem.message_fr),
            cure=_WAIT_ROOM,
            side=Side.GATEWAY,
        )
    for rule in all_rules():
        if rule.id not in found:
            found[rule.id] = Explanation(
                code=rule.id,
                outcome=Words(f"Rule: {rule.article}", f"Règle : {rule.article.replace('row', 'point')}"),
                cause=Words(rule.text_en, rule.text_fr),
                cure=_DECIDE,
                side=Side.UK,
            )
    for ack in AckCode:
        found[ack.value] = Explanation(
            code=ack.value,
            outcome=Words("Rejected by the business system", "Rejeté par le système métier"),
            cause=Words(label(ack, "en"), label(ack, "fr")),
            cure=Words(
                "The sender's system corrects its message and sends a new one; talk if it is unclear why.",
                "Le système émetteur rectifie son message et en adresse un nouveau ; s'appeler si le motif "
                "n'est pas clair.",
            ),
            side=Side.UK,
        )
    return MappingProxyType(found)


def known_codes() -> tuple[str, ...]:
    """Every code of the table, sorted."""
    return tuple(sorted(_table()))


def explain(code: str) -> Explanation:
    """What a code means; for an unknown one an explanation that says so (``known`` False)."""
    found = _table().get(code)
    if found is not None:
        return found
    if code.startswith("unmappable."):
        return Explanation(
            code=code,
            outcome=Words("Cannot be said in the French contract", "Inexprimable dans le contrat français"),
            cause=Words("a value has no agreed counterpart", "une valeur n'a pas d'équivalent convenu"),
            cure=_NO_MAPPING,
            side=Side.UK,
        )
    return Explanation(
        code=code,
        outcome=Words("Other code", "Autre code"),
        cause=Words("this code is in no table of the gateway", "ce code ne figure dans aucune table"),
        cure=Words(
            "Search the documentation, or ask the administrators.",
            "Chercher dans la documentation ou s'adresser aux administrateurs.",
        ),
        side=Side.GATEWAY,
        known=False,
    )


def explain_attempt(attempt: Attempt) -> Explanation:
    """The same for one attempt: a webhook goes to the UK system, a receipt of ours to France, and a code of
    AS4 means another thing when the message never left."""
    channel, outcome = attempt.channel, attempt.outcome
    if channel is Channel.WEBHOOK:
        if outcome == "delivered":
            return Explanation(
                code=outcome,
                outcome=Words("Notification taken", "Notification prise en compte"),
                cause=Words(
                    "the UK system answered with success", "le système britannique a répondu favorablement"
                ),
                cure=NOTHING,
                side=Side.UK,
            )
        return Explanation(
            code=outcome,
            outcome=Words("Webhook not taken", "Notification non prise en compte"),
            cause=Words(
                "the UK system's callback address refused or did not answer",
                "l'adresse de rappel du système britannique a refusé ou n'a pas répondu",
            ),
            cure=Words(
                "The message still waits in the inbox; the UK system can poll it.",
                "Le message attend toujours dans la boîte ; le système britannique peut le relever.",
            ),
            side=Side.UK,
        )
    if channel is Channel.AS4_SIGNAL and outcome == "delivered":
        return Explanation(
            code=outcome,
            outcome=Words("Our receipt was taken", "Notre accusé de réception a été reçu"),
            cause=Words("the French access point took it", "le point d'accès français l'a accepté"),
            cure=NOTHING,
            side=Side.FR,
        )
    if outcome in AS4_TITLES:
        unsealed = attempt.http_status is None
        return _unsealed(outcome, attempt.detail) if unsealed else _answered(outcome)
    return explain(outcome)


def _unsealed(code: str, detail: str) -> Explanation:
    return _row(code, UNSEALED.get(detail, UNSEALED_OTHERWISE))


def _answered(code: str) -> Explanation:
    _, cause = AS4_TITLES[code]
    said = Words(ANSWER_CAUSE.en.format(cause=cause.en), ANSWER_CAUSE.fr.format(cause=cause.fr))
    return _row(code, (ANSWER_OUTCOME, said, ANSWER_CURE, Side.FR))


def explain_failed(code: str, attempts: Sequence[Attempt]) -> Explanation:
    """Why a message of ours failed: as its last attempt with that code says. ``attempts``: in their order."""
    last = next((a for a in reversed(attempts) if a.channel is Channel.AS4 and a.outcome == code), None)
    return explain(code) if last is None else explain_attempt(last)
