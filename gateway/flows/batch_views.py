"""What the console and the command line show of batches: JSON-ready values, never content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.core.batches import TRANSITIONS, BatchState, Planned, Result
from gateway.flows.batch_preview import Preview
from gateway.flows.batches import get, look_again
from gateway.flows.exchange import Exchange
from gateway.flows.ports_actions import BatchItem, BatchRecord
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]
_ITEMS: Final = 200


def planned_row(item: Planned) -> Json:
    return {
        "message_id": item.message_id,
        "reference": item.reference,
        "type": item.type.value,
        "status": item.status.value,
        "code": item.code,
        "verdict": item.verdict.value,
        "why": item.why.value,
    }


def preview_view(seen: Preview) -> Json:
    """Counts, the digest to confirm, and every message with its verdict."""
    return {
        "action": seen.action.value,
        "count": len(seen.items),
        "to_do": seen.to_do,
        "second_person": seen.second_person,
        "digest": str(seen.seen),
        "counts": {name: dict(values) for name, values in seen.counts.items()},
        "items": [planned_row(item) for item in seen.items],
    }


def batch_row(batch: BatchRecord, counts: Mapping[Result, int]) -> Json:
    return {
        "batch_id": batch.batch_id,
        "action": batch.action.value,
        "state": batch.state.value,
        "count": batch.count,
        "to_do": batch.to_do,
        "results": {result.value: counts[result] for result in Result},
        "reason_code": batch.reason_code.value,
        "reason": batch.reason,
        "selection": batch.selection,
        "second_person": batch.second_person,
        "created_by": batch.created_by,
        "created_at": instant(batch.created_at),
        "approved_by": batch.approved_by,
        "approved_at": _instant(batch.approved_at),
        "started_at": _instant(batch.started_at),
        "ended_at": _instant(batch.ended_at),
        "possible": sorted(event.value for state, event in TRANSITIONS if state is batch.state),
    }


def _instant(value: Any) -> str | None:
    return None if value is None else instant(value)


def item_row(item: BatchItem) -> Json:
    return {
        "position": item.position,
        **planned_row(item.planned),
        "result": item.result.value,
        "result_code": item.code,
        "result_at": _instant(item.at),
    }


async def list_batches(
    exchange: Exchange, *, state: BatchState | None = None, cursor: str | None = None, limit: int = 50
) -> tuple[list[Json], str | None]:
    """(batches, newest first; cursor of the next page or None). Raises BadCursor."""
    async with exchange.store.begin(read_only=True) as tx:
        page = await tx.list_batches(state=state, cursor=cursor, limit=limit)
        rows = [batch_row(batch, await tx.batch_counts(batch.batch_id)) for batch in page.items]
    return rows, page.next_cursor


async def show_batch(
    exchange: Exchange, batch_id: str, *, after: int = -1, limit: int = _ITEMS, result: Result | None = None
) -> Json:
    """One batch with ``limit`` of its messages and their results; ``next_after`` goes on, None at the end.
    While it waits for the second person, ``now`` is what there is to approve. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        batch = await get(tx, batch_id)
        items = await tx.batch_items(batch_id, after=after, limit=limit + 1, result=result)
        row = batch_row(batch, await tx.batch_counts(batch_id))
    shown = items[:limit]
    now = None
    if batch.state is BatchState.WAITING:
        now = preview_view(await look_again(exchange, batch_id))
    return {
        **row,
        "items": [item_row(item) for item in shown],
        "next_after": shown[-1].position if len(items) > limit else None,
        "now": now,
    }
