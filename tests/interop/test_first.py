"""First light."""

import pytest, hashlib
from gateway.core.as4.message import Payload
from tests.interop import agreement

pytestmark = pytest.mark.interop


def test_out(peer, ours):
    p = Payload(content_id="document", mime_type="application/xml", content=b"<a/>" * 100, charset="UTF-8")
    sent = ours.send(peer.url(), agreement.REQUEST, [p])
    print(sent.status, sent.answer[:3000], sent.refused, sent.codes)
    print(peer.received(), peer.errors())
    assert sent.proven


def test_in(peer, ours):
    r = peer.send(
        agreement.NOTICE,
        ours.url,
        payloads=[
            {
                "content_id": "document@fr",
                "mime_type": "application/xml",
                "text": "<a>é</a>",
                "charset": "UTF-8",
            }
        ],
    )
    print({k: v for k, v in r.items() if k != "bodies"}, ours.refused)
    assert r["kind"] == "receipt" and r["nrr"] == "matched"
