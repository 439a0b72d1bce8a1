"""A node that only tells deadlines, one per transaction, until it is killed or nothing is due.

``python -m tests.integration.clocks.sweep_child DATABASE NOW``; prints a line after every commit.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys

from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from gateway.core.treaty.agreement import uk_fr
from gateway.flows.deadlines import sweep
from gateway.flows.exchange import Exchange
from gateway.store import open_store
from tests.fixtures.databases import PlainKeys
from tests.fixtures.ends import MovableClock
from tests.fixtures.uk_gateway import ISSUER, client_of, es256


async def main(url: str, now: dt.datetime) -> None:
    clock, signer, agreement = MovableClock(), es256(), uk_fr()
    clock.stand_at(now)
    store = open_store(url, keyring=PlainKeys())
    exchange = Exchange(
        store=store,
        clock=clock,
        uk=UkAdapter(),
        fr=FrAdapter(),
        agreement=agreement,
        french_party=agreement.parties.fr.id,
        signer=signer,
        issuer=ISSUER,
        webhooks=client_of(signer).webhooks,
    )
    while await sweep(exchange, limit=1):
        print("told", flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], dt.datetime.fromisoformat(sys.argv[2])))
