"""Every rule that the gateway enforces, for people: what it says, where it stands, which settings it reads.

Most rules are in the registries of ``rules``. What other parts enforce on their own (the privacy gate, the
quotas and the balance) stands here beside them, so that one list shows all. ``docs/rules.md`` is written by
``python -m gateway.core.treaty.rules_catalogue``; a test proves that it is current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from contracts.codes import MessageType
from gateway.core.treaty import privacy, quotas
from gateway.core.treaty.agreement import Agreement, uk_fr
from gateway.core.treaty.rules import all_rules
from gateway.core.treaty.verdict import Facts, Rule, Severity

PRIVACY_PART: Final = "privacy gate"
QUOTA_PART: Final = "quotas and balance"
ARTICLES: Final = ("1", "3", "4", "7", "8", "12", "16", "17")
"""Articles of the Agreement that say something a message can obey or break (domain: by article)."""
ROWS: Final = tuple(str(n) for n in range(1, 11))
"""Rows of the announcement."""


def _never(_: Facts) -> Iterator[str]:
    """Enforced elsewhere: ``judge`` does not ask."""
    yield from ()


def _gate() -> Iterator[Rule]:
    back = frozenset(t for t in MessageType if t in privacy.FROM_FRANCE)
    for breach in privacy.Breach:
        en, fr = privacy.text_of(breach)
        both = breach is privacy.Breach.UNKNOWN_FIELD
        yield Rule(
            id=str(breach),
            article="Art 16",
            severity=Severity.REFUSE,
            types=None if both or breach is privacy.Breach.MESSAGE_TYPE else back,
            text_en=en,
            text_fr=fr,
            check=_never,
            part=PRIVACY_PART,
        )


def _waiting() -> Iterator[Rule]:
    for kind in quotas.QuotaKind:
        numbers = "Art 12; row 10" if kind is quotas.QuotaKind.NOMINATIONS else "Art 1; row 10"
        for code, article, settings in (
            (kind.quota_code, numbers, (f"quotas.{kind}", "quotas.period", "quotas.zone")),
            (kind.parity_code, "Art 1, 4, 17; row 2", ("balance.hold_difference",)),
        ):
            problem = quotas.problem_of(code)
            yield Rule(
                id=code,
                article=article,
                severity=Severity.HOLD,
                types=frozenset({kind.opening}),
                text_en=problem.message_en,
                text_fr=problem.message_fr,
                check=_never,
                settings=settings,
                part=QUOTA_PART,
            )


def catalogue() -> tuple[Rule, ...]:
    """All rules, those of the registries first. Raises ValueError when two share an id."""
    rules = (*all_rules(), *_waiting(), *_gate())
    if len({rule.id for rule in rules}) != len(rules):
        raise ValueError("two rules share an id")
    return rules


def coverage() -> dict[str, tuple[str, ...]]:
    """Ids of the rules of each article and row, also of those that have none: ``Art 3`` → ids."""
    places = [*(f"Art {n}" for n in ARTICLES), *(f"row {n}" for n in ROWS)]
    return {place: tuple(r.id for r in catalogue() if place in r.places) for place in places}


# ---- settings -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One setting of the agreement file as a rule sees it; the notes say what is not confirmed."""

    name: str
    value: Any
    """Plain JSON value."""
    unverified: bool
    note_en: str
    note_fr: str


def _marked(value: object) -> Any | None:
    """The table, or the first item of a list of tables, that is marked unverified."""
    candidates = value if isinstance(value, tuple) else (value,)
    return next((item for item in candidates if getattr(item, "unverified", False)), None)


def setting(agreement: Agreement, name: str) -> Setting:
    """``clocks.request_days`` with its value now. Raises AttributeError for a name that does not exist."""
    value: Any = agreement
    marked: Any | None = None
    for step in name.split("."):
        value = getattr(value, step)
        marked = marked or _marked(value)
    shown = msgspec.json.decode(msgspec.json.encode(value))
    if name == "criteria":
        shown = [str(c.code) for c in agreement.criteria if c.enabled]
    return Setting(
        name=name,
        value=shown,
        unverified=marked is not None,
        note_en=marked.note_en if marked is not None else "",
        note_fr=marked.note_fr if marked is not None else "",
    )


def describe(rule: Rule, agreement: Agreement) -> dict[str, Any]:
    """The rule as ``GET /v1/rules`` shows it: plain JSON values, no personal data."""
    settings = [setting(agreement, name) for name in rule.settings]
    return {
        "id": rule.id,
        "article": rule.article,
        "places": list(rule.places),
        "severity": rule.severity.value,
        "part": rule.part,
        "types": [t.value for t in MessageType if rule.types is None or t in rule.types],
        "text": {"en": rule.text_en, "fr": rule.text_fr},
        "unverified": any(s.unverified for s in settings),
        "settings": [
            {
                "name": s.name,
                "value": s.value,
                "unverified": s.unverified,
                "note": {"en": s.note_en, "fr": s.note_fr} if s.unverified else None,
            }
            for s in settings
        ],
    }


# ---- docs/rules.md ------------------------------------------------------------------------------

_HEAD = """# The rules

Written by `python -m gateway.core.treaty.rules_catalogue`; the code is the source. `passerelle rules list`,
`passerelle rules explain RULE` and `GET /v1/rules` show the same with the settings of the instance.
**refuse**: the message does not travel. **hold**: it waits for an operator or for room. **warn**: it travels
with a label. *unverified*: the rule reads a setting that the text of the Agreement did not confirm.
"""
_DRY_RUN = """## Trying a message

`POST …?dry_run=true` judges a signed message as if it were sent, and stores nothing: no message, no case, no
place of a quota, no Idempotency-Key, no audit entry. It answers 200 with the verdict. `passerelle rules try
FILE` judges a JSON body without a running gateway; with `--reference` as the next message of a case of the
instance. Without an instance nobody compares a nominee with the returned, and the verdict says so.
"""


def _types(rule: Rule) -> str:
    return "all" if rule.types is None else ", ".join(t.value for t in MessageType if t in rule.types)


def _row(rule: Rule, agreement: Agreement) -> str:
    label = " *unverified*" if any(setting(agreement, n).unverified for n in rule.settings) else ""
    settings = ", ".join(f"`{name}`" for name in rule.settings)
    texts = f"{rule.text_en}<br>{rule.text_fr}"
    return (
        f"| `{rule.id}`{label} | {rule.article} | {rule.severity} | {_types(rule)} | {texts} | {settings} |"
    )


def document() -> str:
    """The text of ``docs/rules.md``, with the agreement that is shipped."""
    agreement = uk_fr()
    parts = [_HEAD, "## Article or row → rules\n", "| place | rules |\n|---|---|"]
    parts += [f"| {place} | {', '.join(f'`{i}`' for i in ids)} |" for place, ids in coverage().items()]
    by_part: dict[str, list[Rule]] = {}
    for rule in catalogue():
        by_part.setdefault(rule.part, []).append(rule)
    for part, rules in by_part.items():
        parts.append(f"\n## Enforced by: {part}\n")
        parts.append(
            "| rule | where it stands | severity | messages | text | settings |\n|---|---|---|---|---|---|"
        )
        parts += [_row(rule, agreement) for rule in rules]
    return "\n".join([*parts, "", _DRY_RUN])


if __name__ == "__main__":
    sys.stdout.write(document())
