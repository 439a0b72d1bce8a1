"""Puts the console together: pages, templates, static files. Every page needs a session."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import aiohttp_jinja2
import jinja2
from aiohttp import web

from gateway.web.console.context import page_context
from gateway.web.console.pages import (
    account,
    actions,
    alerts,
    audit,
    balance,
    balance_actions,
    batches,
    case,
    cases,
    deadlines,
    events,
    held,
    home,
    message,
    messages,
    partners,
    rules,
    search,
    settings,
    signin,
    users,
)
from gateway.web.console.services import SERVICES as SERVICES
from gateway.web.console.services import ConsoleServices as ConsoleServices
from gateway.web.console.session import LARGE_FORMS, LARGEST_FORM, guard, protect

HERE: Final = Path(__file__).parent
PAGES: Final = (
    home,
    signin,
    messages,
    search,
    message,
    case,
    cases,
    users,
    account,
    alerts,
    events,
    actions,
    batches,
    held,
    deadlines,
    balance,
    balance_actions,
    rules,
    partners,
    audit,
    settings,
)


def make_console(services: ConsoleServices) -> web.Application:
    """The console as a sub-application: ``app.add_subapp("/console", make_console(services))``."""
    app = web.Application(middlewares=[protect], client_max_size=LARGEST_FORM)
    app[SERVICES] = services
    app[LARGE_FORMS] = {}
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        context_processors=[page_context],
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    app.middlewares.append(guard)  # innermost: after the one that fills templates
    for page in PAGES:
        page.add(app)
    app.router.add_static("/static/", HERE / "static")
    return app
