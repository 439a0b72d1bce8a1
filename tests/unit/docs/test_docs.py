"""The guides agree with the code: links, commands, examples, tables of codes, P-Modes and settings."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import typer

from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from contracts.codes import MessageType
from contracts.uk.v1.bundle import bundled_openapi
from gateway.cli.main import app
from gateway.config_page import configuration_page
from gateway.core import errors
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.records import MessageStatus
from gateway.core.treaty.agreement import uk_fr
from gateway.flows.deliver import PASSING
from gateway.keys.instance import PURPOSES
from gateway.sandbox.script import DEFAULT_SERVICES, Scenario
from gateway.web.rest.problems import TEXTS, all_error_classes
from gateway.web.rest.submit import ROUTES

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


def names(pages: tuple[Path, ...]) -> list[str]:
    return [str(p.relative_to(ROOT)) for p in pages]


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """(info string, text) of every fenced block."""
    for match in _BLOCK.finditer(page.read_text("utf-8")):
        yield match.group(1).strip(), match.group(2)


def prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text("utf-8"))


def anchor(heading: str) -> str:
    """The anchor that code hosts make of a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.strip().replace(" ", "-")


def rows(page: str) -> list[list[str]]:
    """Cells of every table row of a page."""
    text = (ROOT / page).read_text("utf-8")
    return [[c.strip() for c in m.group(1).split("|")] for m in _ROW.finditer(text)]


def first_codes(page: str) -> dict[str, list[str]]:
    """Rows whose first cell is one code in backticks, by that code."""
    return {r[0].strip("`"): r for r in rows(page) if re.fullmatch(r"`[^`]+`", r[0])}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_relative_links_resolve(page: Path) -> None:
    """Every relative link names a file of the repository, every fragment a heading of it."""
    for link in _LINK.findall(prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        if fragment:
            headings = re.findall(r"^#+ (.+)$", prose(target), re.MULTILINE)
            assert fragment in {anchor(h) for h in headings}, f"{page.name}: {link}"


def commands(page: Path) -> Iterator[list[str]]:
    """Arguments of every ``passerelle`` call in code: fenced sh or console blocks, and inline code."""
    text = page.read_text("utf-8")
    found: list[str] = []
    for info, block in blocks(page):
        lines = block.replace("\\\n", " ").splitlines()
        if info == "sh":
            found += lines
        elif info == "":
            found += [line[2:] for line in lines if line.startswith("$ ")]
            found += [line.partition("Try ")[2] for line in lines if line.startswith("Try ")]
    found += re.findall(r"`((?:\.venv/bin/)?passerelle [^`]+)`", _BLOCK.sub("", text))
    for line in found:
        for call in re.findall(r"(?:^|[\s(=/])passerelle (.+?)(?:\)|$)", line.strip()):
            yield shlex.split(call.replace("…", "x"), comments=True)


def check_call(arguments: list[str]) -> None:
    """Follow the arguments through the groups to a command; every option must be one of its own."""
    command: Any = typer.main.get_command(app)
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word in {">", "|", "&&"}:
            break
        options = {name: p for p in command.params for name in (*p.opts, *p.secondary_opts)}
        if word.startswith("-"):
            assert word in {*options, "--help"}, f"{word} in: passerelle {' '.join(arguments)}"
            if word != "--help" and not options[word].is_flag:
                left.pop(0)
        elif hasattr(command, "commands"):
            assert word in command.commands, f"{word} in: passerelle {' '.join(arguments)}"
            command = command.commands[word]
        else:
            given = [p for p in command.params if p.param_type_name == "argument"]
            assert given, f"{word} is one argument too many: passerelle {' '.join(arguments)}"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_exist(page: Path) -> None:
    """Every command line in a guide is one that the program understands."""
    for call in commands(page):
        check_call(call)


def test_the_guides_show_commands() -> None:
    """The search above finds what it should: each guide for people shows some commands."""
    for name in ("README.md", "docs/operator.md", "docs/fr-as4.md", "docs/uk-api.md", "docs/sandbox.md"):
        assert list(commands(ROOT / name)), name
    with pytest.raises(AssertionError):
        check_call(["messages", "resend"])
    with pytest.raises(AssertionError):
        check_call(["messages", "list", "--state", "failed"])


JSON = [(p.name, info, text) for p in PAGES for info, text in blocks(p) if info.startswith("json")]


@pytest.mark.parametrize(
    ("page", "info", "text"), JSON, ids=[f"{n}:{p}:{i}" for n, (p, i, _) in enumerate(JSON)]
)
def test_json_examples_keep_the_contract(page: str, info: str, text: str) -> None:
    """A block tagged with a message type is a body or message that the UK adapter accepts; any other
    tag is a schema of the OpenAPI document."""
    name = info.removeprefix("json").strip()
    value = json.loads(text)
    if name in {t.value for t in MessageType}:
        if "body" in value:
            assert UkAdapter().validate(text.encode()).message_type == name
        else:
            UkAdapter().validate_body(text.encode(), name)
        return
    components = bundled_openapi()["components"]
    assert name in components["schemas"], f"{page}: tag the block with a schema"
    schema = {"$ref": f"#/components/schemas/{name}", "components": components}
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(value)


def test_the_uk_guide_shows_messages() -> None:
    """The guide has tagged examples of messages and answers, so the test above has work to do."""
    tags = {info for page, info, _ in JSON if page == "uk-api.md"}
    assert {
        "json ReadmissionRequest",
        "json ReadmissionDecision",
        "json MessageAccepted",
        "json Problem",
    } <= tags


def test_xml_example_keeps_the_contract() -> None:
    """The French example is a document that the French adapter accepts."""
    (text,) = [text for info, text in blocks(ROOT / "docs/fr-as4.md") if info == "xml"]
    assert FrAdapter().validate(text.encode()).message_type == "ReadmissionDecision"


def test_every_problem_code_is_explained() -> None:
    """The table of errors has each code of the UK API, with its HTTP status, and no other."""
    status = {c.code: c.http_status for c in all_error_classes()} | {"internal": 500}
    table = {code: row for code, row in first_codes("docs/uk-api.md").items() if code in status}
    assert set(table) == set(TEXTS)
    assert {code: int(row[1]) for code, row in table.items()} == {code: status[code] for code in TEXTS}


def test_every_route_is_listed() -> None:
    """The UK guide names each POST route with the message type it takes."""
    listed = {(r[0].strip("`"), r[1].strip("`")) for r in rows("docs/uk-api.md") if r[0].startswith("`POST")}
    assert listed == {(f"POST {r.path}", r.type.value) for r in ROUTES if r.kind is not None}


def test_every_status_is_explained() -> None:
    """Both guides explain each status of a message."""
    for page in ("docs/uk-api.md", "docs/operator.md"):
        assert set(MessageStatus) <= set(first_codes(page))


def test_pmodes_agree_with_the_agreement() -> None:
    """The table of P-Modes has each row of the agreement, in its order, and nothing else."""
    table = [tuple(c.strip("`") for c in r) for r in rows("docs/fr-as4.md") if r[0].startswith("`uk-fr.")]
    expected = [(r.id, r.initiator.id, r.responder.id, r.action) for r in uk_fr().pmode_rows]
    assert table == expected


def test_exchange_parameters_agree_with_the_agreement() -> None:
    """Parties, service, agreement, MEP and corners in the French guide are those of the agreement."""
    agreement = uk_fr()
    exchange, parties = agreement.exchange, agreement.parties
    table = {r[0]: r[1] for r in rows("docs/fr-as4.md") if len(r) == 2}
    for name, value in (
        ("partie britannique", parties.uk.id),
        ("partie française", parties.fr.id),
        ("type des identifiants", parties.fr.id_type),
        ("Service", exchange.service),
        ("type du service", exchange.service_type),
        ("AgreementRef", exchange.agreement_ref),
        ("MEP", exchange.mep),
        ("liaison", exchange.mep_binding),
        ("MPC", exchange.mpc),
        ("coin britannique", exchange.corner_uk),
        ("coin français", exchange.corner_fr),
    ):
        assert table[name] == f"`{value}`"


def test_algorithms_agree_with_the_policy() -> None:
    """The French guide names exactly what the default policy sends."""
    text = (ROOT / "docs/fr-as4.md").read_text("utf-8")
    policy = SecurityPolicy()
    for uri in (
        policy.send_signature,
        policy.send_digest,
        policy.send_content_encryption,
        policy.send_key_transport.algorithm,
        policy.send_key_transport.mgf,
        *policy.canonicalizations,
        *policy.attachment_transforms,
    ):
        assert f"`{uri}`" in text


def test_every_ebms_code_is_explained() -> None:
    """The French guide has each EBMS code that we answer with, and names those that make us try again."""
    ours = {
        c.ebms.code
        for c in vars(errors).values()
        if isinstance(c, type) and issubclass(c, errors.As4Error) and c.ebms is not None
    }
    assert {c for c in first_codes("docs/fr-as4.md") if c.startswith("EBMS:")} == ours
    text = (ROOT / "docs/fr-as4.md").read_text("utf-8")
    (again,) = re.findall(r"Dans l'autre sens, vos codes (.+?) font renvoyer", text, re.DOTALL)
    assert {f"EBMS:{n}" for n in re.findall(r"\d{4}", again)} == PASSING


def test_every_key_has_its_rotation() -> None:
    """The operator guide says how to rotate each key that can be rotated."""
    found = {r[0].strip("`") for r in rows("docs/operator.md") if "keys rotate" in "".join(r)}
    assert found == set(PURPOSES)


def test_sandbox_tables_are_complete() -> None:
    """The sandbox guide has each built-in service code with its scenario, and each setting of a scenario."""
    table = first_codes("docs/sandbox.md")
    assert {code: table[code][1].strip("`") for code in DEFAULT_SERVICES} == DEFAULT_SERVICES
    named = {n for r in rows("docs/sandbox.md") for n in re.findall(r"`([a-z_]+)`", r[0])}
    assert set(Scenario.model_fields) <= named


def test_configuration_page_is_current() -> None:
    """``python -m gateway.config_page`` would write the very page that is there."""
    assert (ROOT / "docs/configuration.md").read_text("utf-8") == configuration_page()


_ADDRESS = re.compile(
    r"https?://(?!127\.0\.0\.1|docs\.oasis-open\.org|www\.w3\.org|<h|[a-z.]+\.example\b"
    r"|domibus\.eu/configuration\b|holodeck-b2b\.org/schemas/)[^\s)]*"
)
"""Any address but loopback, namespaces of standards and products, and invented hosts: registries are among
the rest."""
_MACHINE = re.compile(r"/(?:work|tmp|home|root)/")


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_no_registry_and_no_machine_path(page: Path) -> None:
    """A guide names no package registry and no folder of the machine it was written on."""
    text = page.read_text("utf-8")
    assert _ADDRESS.findall(text) == []
    assert _MACHINE.findall(text) == []
