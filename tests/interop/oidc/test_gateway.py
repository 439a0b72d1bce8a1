"""The gateway as its own process over HTTPS, by its settings file, with Keycloak and a real browser."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.core.oidc_causes import CAUSES, Cause
from gateway.flows.oidc import CALLBACK
from tests.fixtures.browser import CHROMIUM, MISSING, chromium, violations
from tests.fixtures.world import World, make_world
from tests.interop.oidc.keycloak import Keycloak
from tests.interop.oidc.realm import PASSWORD, SETTINGS, Realm, one_time_code
from tests.interop.oidc.visitor import visiting

pytestmark = pytest.mark.interop


@dataclass
class Gateway:
    """The process, its realm, and a context that trusts both."""

    world: World
    realm: Realm
    tls: ssl.SSLContext

    @property
    def base(self) -> str:
        return f"https://127.0.0.1:{self.world.uk_port}"

    def command(self, *words: str, status: int = 0) -> Any:
        """What ``passerelle … --json`` prints."""
        program = Path(sys.executable).parent / "passerelle"
        done = subprocess.run(
            [program, "-C", self.world.uk, *words, "--json"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def gateway(keycloak: Keycloak) -> Iterator[Gateway]:
    realm = Realm(keycloak, "agents-of-the-process")
    oidc = {
        "issuer": realm.issuer,
        "client_secret_file": "keys/oidc.secret",
        "anchors": "trust/oidc",
        **SETTINGS,
    }
    with make_world(settings={"oidc": oidc}, start=False) as world:
        (world.uk / "keys" / "oidc.secret").write_text(realm.secret + "\n", "utf-8")
        shutil.copytree(keycloak.anchor.parent, world.uk / "trust" / "oidc")
        realm.make([f"https://127.0.0.1:{world.uk_port}{CALLBACK}"])
        world.start_gateway()
        tls = ssl.create_default_context(cafile=keycloak.anchor)
        for file in (world.fr / "trust" / "uk" / "anchors").glob("*.pem"):
            tls.load_verify_locations(file)
        yield Gateway(world, realm, tls)


async def test_over_https(gateway: Gateway) -> None:
    """Signed in and out; the audit log and the list of users tell it, and the log names nobody."""
    async with visiting(gateway.base, gateway.tls, PASSWORD) as amelie:
        page = await amelie.enter("amelie", otp=one_time_code())
        assert (page.status, page.path) == (200, "/console")
        cookies = {cookie.key: cookie for cookie in amelie.session.cookie_jar}
        assert "__Host-passerelle_session" in cookies
        assert "__Host-passerelle_provider" not in cookies
        left = await amelie.log_out()
        assert left.way_out is not None
    (shown,) = [u for u in gateway.command("users", "list") if u["name"] == "amelie"]
    assert (shown["side"], shown["roles"], shown["sign_in"]) == ("fr", ["supervisor"], "oidc")
    actions = [entry["action"] for entry in gateway.command("audit", "list")]
    assert {"user.added", "signin.done", "signin.ended"} <= set(actions)
    log = gateway.world.log("gateway").lower()
    assert "amelie" not in log
    assert "amélie" not in log


async def test_what_an_administrator_is_told(gateway: Gateway) -> None:
    """Somebody without a role: one line of the log, with the cause and nothing of the person."""
    async with visiting(gateway.base, gateway.tls, PASSWORD) as visitor:
        assert (await visitor.enter("norole")).cause == "no_role"
    lines = [json.loads(line) for line in gateway.world.log("gateway").splitlines()]
    (line,) = [line for line in lines if line["event"] == "signin.provider"]
    assert (line["code"], line["reason"]) == ("signin.oidc_no_account", "no_role")
    assert "norole" not in gateway.world.log("gateway")


def _apart(work: Any) -> Any:
    """In a thread of its own: Playwright keeps a loop in the thread that it runs in."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _in_a_browser(gateway: Gateway) -> None:
    with chromium() as browser:
        context = browser.new_context(ignore_https_errors=True)  # two test CAs; the gateway itself checks
        context.set_default_timeout(120_000)
        page = context.new_page()
        page.goto(f"{gateway.base}/console/login?lang=fr")
        page.click("a.button.second")
        page.wait_for_selector("#kc-form-login")
        assert page.get_attribute("html", "lang") == "fr"
        page.fill("#username", "amelie")
        page.fill("#password", PASSWORD)
        page.click("#kc-login")
        page.fill("#otp", one_time_code())
        page.click("#kc-login")
        page.wait_for_url(f"{gateway.base}/console")
        assert "Amélie Essai" in page.content()
        page.click("form[action='/console/logout'] button")
        page.wait_for_url(lambda url: "/console/login" in url)
        assert violations(page) == []
        page.click("a[href*='openid-connect/logout']")
        page.click("#kc-logout")
        page.goto(f"{gateway.base}/console/login/provider")
        page.wait_for_selector("#kc-form-login")
        context.close()


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_in_a_real_browser(gateway: Gateway) -> None:
    """Across two sites, with the cookies and the content policy that a browser enforces."""
    _apart(lambda: _in_a_browser(gateway))


def test_the_command_finds_the_provider(gateway: Gateway) -> None:
    """``passerelle check --provider`` tries the way there, the keys, and our id and secret."""
    (*_, found) = gateway.command("check", "--provider")
    assert (found["level"], found["setting"]) == ("ok", "oidc")
    assert gateway.base + CALLBACK in found["text"]
    secret = gateway.world.uk / "keys" / "oidc.secret"
    secret.write_text("another", "utf-8")
    (*_, found) = gateway.command("check", "--provider", status=1)
    assert (found["level"], found["text"]) == ("error", CAUSES[Cause.CLIENT].en)
    secret.write_text(gateway.realm.secret, "utf-8")


async def test_the_process_ends_well(gateway: Gateway) -> None:
    """Nothing of the provider keeps it alive."""
    assert await asyncio.to_thread(gateway.world.stop_gateway) == 0
