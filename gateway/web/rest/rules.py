"""``GET /v1/rules``: every rule that the gateway enforces, with the settings that it reads."""

from __future__ import annotations

from aiohttp import web

from gateway.core.errors import InvalidParameter
from gateway.core.treaty.rules_catalogue import catalogue, describe
from gateway.web.rest.auth import authenticate
from gateway.web.rest.http import accepts, json_response
from gateway.web.services import SERVICES


async def list_rules(request: web.Request) -> web.Response:
    """All rules in the order in which findings appear; scope ``messages.read``; no parameters."""
    accepts(request, "application/json")
    authenticate(request, "messages.read")
    if request.query:
        raise InvalidParameter("allowed query parameters, each once: none")
    agreement = request.app[SERVICES].exchange.agreement
    return json_response(
        {
            "agreement": {"id": agreement.agreement.id, "version": agreement.agreement.version},
            "items": [describe(rule, agreement) for rule in catalogue()],
        }
    )


def add_rules(app: web.Application) -> None:
    app.router.add_get("/v1/rules", list_rules)
