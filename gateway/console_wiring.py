"""What the console is given of the instance: certificates, the connection test, the check of the settings."""

from __future__ import annotations

from typing import Any

from gateway.check import check_settings
from gateway.instance import Instance
from gateway.partner_wiring import MakeTransport, certificate_rows, connection_rows
from gateway.web.console.tools import SystemTools

Json = dict[str, Any]


def system_tools(instance: Instance, make_transport: MakeTransport) -> SystemTools:
    """``make_transport``: what messages to France travel with. Nothing is read before it is asked for."""

    async def test() -> list[Json]:
        return await connection_rows(instance, make_transport)

    def findings() -> list[Json]:
        return [
            {"level": f.level.value, "setting": f.setting, "text": f.text}
            for f in check_settings(instance.folder)
        ]

    return SystemTools(
        partner_url=instance.settings.france.url,
        certificates=lambda: certificate_rows(instance),
        test_connection=test,
        findings=findings,
    )
