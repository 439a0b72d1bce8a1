"""``Expect: 100-continue`` (RFC 9110 10.1.1), answered when reading begins and not before.

aiohttp answers it before the handler runs. A request that is refused for its length, its token or its key is
then refused only after its sender was told to go on; here its body is never asked for.
"""

from __future__ import annotations

from aiohttp import HttpVersion11, hdrs, web


async def expect_later(request: web.Request) -> None:
    """The ``expect_handler`` of a route whose handler calls ``go_on``."""
    if request.headers.get(hdrs.EXPECT, "").lower() != "100-continue":
        raise web.HTTPExpectationFailed(text="Only 100-continue can be expected.\n")


async def go_on(request: web.Request) -> None:
    """Tells a sender that waits for it to send the body."""
    if hdrs.EXPECT in request.headers and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # not part of the answer
