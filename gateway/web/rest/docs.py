"""What describes the API: JWKS, the OpenAPI document, and our own small page that renders it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from aiohttp import web

from contracts.uk.v1.bundle import bundled_openapi, bundled_yaml
from gateway.core.jws import public_jwk
from gateway.web.rest.http import json_response
from gateway.web.rest.problems import TEXTS, all_error_classes
from gateway.web.services import SERVICES

_CSP: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CSS: Final = """
:root { --ink: #1a1d21; --quiet: #55606d; --line: #c9ced6; --ground: #ffffff; --mark: #1f4b8f; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--ground); }
h1, h2, h3 { line-height: 1.25; }
a { color: var(--mark); }
section { border-top: 1px solid var(--line); padding: .5rem 0; }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .75rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); padding: .35rem .5rem; }
.quiet { color: var(--quiet); }
""".strip()


async def jwks(request: web.Request) -> web.Response:
    """Our public keys: answers and receipts, access tokens, webhooks (RFC 7517)."""
    services = request.app[SERVICES]
    signers = [
        services.exchange.signer,
        *services.exchange.earlier_signers,
        services.token_signer,
        *services.earlier_token_signers,
        services.webhook_signer,
    ]
    keys = {s.kid: public_jwk(s.verification_key, kid=s.kid) for s in signers if s is not None}
    return json_response({"keys": list(keys.values())}, headers={"Cache-Control": "public, max-age=300"})


@cache
def _openapi() -> Mapping[str, Any]:
    return bundled_openapi()


@cache
def _openapi_yaml() -> bytes:
    return bundled_yaml().encode()


async def openapi(_: web.Request) -> web.Response:
    return web.Response(
        body=_openapi_yaml(),
        headers={"Content-Type": "application/yaml", "Cache-Control": "public, max-age=300"},
    )


async def css(_: web.Request) -> web.Response:
    return web.Response(text=_CSS, content_type="text/css", headers={"Cache-Control": "public, max-age=300"})


def _page(title: str, body: str, *, language: str = "en") -> web.Response:
    text = (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{html.escape(title)}</title><link rel="stylesheet" href="/docs/docs.css"></head>'
        f"<body><main>{body}</main></body></html>"
    )
    headers = {"Content-Security-Policy": _CSP, "Cache-Control": "public, max-age=300"}
    return web.Response(text=text, content_type="text/html", headers=headers)


async def docs(_: web.Request) -> web.Response:
    """Every operation with parameters, body and answers, rendered from the OpenAPI document."""
    document = _openapi()
    info = document["info"]
    parts = [f"<h1>{html.escape(info['title'])} {html.escape(str(info['version']))}</h1>"]
    parts += [f"<p>{html.escape(p)}</p>" for p in str(info.get("description", "")).strip().split("\n\n")]
    parts.append('<p><a href="/openapi.yaml">OpenAPI 3.1</a> · <a href="/docs/problems">Error codes</a></p>')
    parts.append("<nav><ul>")
    operations = list(_operations(document))
    parts += [
        f'<li><a href="#{o["id"]}"><code>{o["name"]}</code></a> {o["summary"]}</li>' for o in operations
    ]
    parts.append("</ul></nav>")
    parts += [o["html"] for o in operations]
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        text = html.escape(json.dumps(schema, indent=2, ensure_ascii=False, default=str))
        safe = html.escape(name)
        parts.append(f'<section id="schema-{safe}"><h3>{safe}</h3><pre tabindex="0">{text}</pre></section>')
    return _page(info["title"], "".join(parts))


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in {"get", "post"}:
                name = html.escape(f"{method.upper()} {path}")
                key = html.escape(str(operation.get("operationId", f"{method}{path}")))
                summary = html.escape(str(operation.get("summary", "")))
                yield {
                    "id": key,
                    "name": name,
                    "summary": summary,
                    "html": _operation(document, operation, key, name, summary),
                }


def _operation(
    document: Mapping[str, Any], operation: Mapping[str, Any], key: str, name: str, summary: str
) -> str:
    parts = [f'<section id="{key}"><h2><code>{name}</code></h2><p><strong>{summary}</strong></p>']
    if operation.get("description"):
        parts.append(f"<p>{html.escape(str(operation['description']))}</p>")
    scopes = [s for entry in operation.get("security", []) for names in entry.values() for s in names]
    if scopes:
        parts.append(f"<p>Scope: <code>{html.escape(', '.join(scopes))}</code></p>")
    rows = [_parameter(_resolve(document, p)) for p in operation.get("parameters", [])]
    if rows:
        heads = "".join(f'<th scope="col">{h}</th>' for h in ("Parameter", "In", "Meaning"))
        parts.append(f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>")
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body: <code>{html.escape(media_type)}</code> {_schema_link(content)}</p>")
    answers = "".join(_answer(status, _resolve(document, r)) for status, r in operation["responses"].items())
    parts.append(f"<table><tbody>{answers}</tbody></table></section>")
    return "".join(parts)


def _resolve(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    ref = node.get("$ref")
    if not isinstance(ref, str):
        return node
    found: Any = document
    for step in ref.removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def _parameter(parameter: Mapping[str, Any]) -> str:
    needed = "" if parameter.get("required") else ' <span class="quiet">optional</span>'
    return (
        f"<tr><td><code>{html.escape(parameter['name'])}</code>{needed}</td>"
        f"<td>{html.escape(parameter['in'])}</td>"
        f"<td>{html.escape(str(parameter.get('description', '')))}</td></tr>"
    )


def _schema_link(content: Mapping[str, Any]) -> str:
    ref = content.get("schema", {}).get("$ref")
    if not isinstance(ref, str):
        return ""
    name = html.escape(ref.rsplit("/", 1)[-1])
    return f'<a href="#schema-{name}">{name}</a>'


def _answer(status: str, response: Mapping[str, Any]) -> str:
    links = " ".join(_schema_link(c) for c in response.get("content", {}).values())
    text = html.escape(str(response.get("description", "")))
    return f'<tr><th scope="row">{html.escape(str(status))}</th><td>{text} {links}</td></tr>'


async def problems(_: web.Request) -> web.Response:
    """The page that ``type`` of every problem points to: codes, statuses, English and French."""
    # a base class without a code of its own would lend its status to the inherited one
    statuses = {cls.code: cls.http_status for cls in all_error_classes() if "code" in vars(cls)}
    rows = [
        f'<tr id="{code}"><th scope="row"><code>{code}</code></th><td>{statuses.get(code, 500)}</td>'
        f'<td>{html.escape(text.title_en)}</td><td lang="fr">{html.escape(text.title_fr)}</td></tr>'
        for code, text in TEXTS.items()
    ]
    heads = "".join(f'<th scope="col">{h}</th>' for h in ("Code", "HTTP", "English", "Français"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return _page("Error codes", f"<h1>Error codes</h1>{table}")


def add_docs(app: web.Application) -> None:
    for path, handler in (
        ("/.well-known/jwks.json", jwks),
        ("/openapi.yaml", openapi),
        ("/docs", docs),
        ("/docs/problems", problems),
        ("/docs/docs.css", css),
    ):
        app.router.add_get(path, handler)
