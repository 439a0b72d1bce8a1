"""``passerelle partner`` as an operator meets it, on a real instance folder with its SQLite database."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contracts.xml import parse_xml
from gateway.bootstrap import Instance
from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.core.as4.profiles import SecurityProfile
from gateway.keys import files as key_files
from gateway.keys.instance import add_profile
from tests.fixtures import pki
from tests.fixtures.partner_files import PARTY, Ministry, pem, sha256, tree

NOW = SystemClock().now()
M = Ministry(NOW)
URL = "https://as4.ministere.example/as4"
TWO_CAS = [M.authority("Upper CA"), M.authority("Other TLS CA")]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance that knows no partner yet."""
    base = tmp_path_factory.mktemp("partner")
    result = CliRunner().invoke(app, ["init", str(base / "uk")])
    assert result.exit_code == 0, result.output
    return base / "uk"


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """A copy of it, with the files that the ministry sent beside it."""
    shutil.copytree(template, tmp_path / "uk")
    for name, content in {
        "sign.pem": pem(M.sign),
        "encrypt.pem": pem(M.encrypt),
        "both.pem": pem(M.both),
        "ca.pem": pem(M.ca.certificate),
        "next.pem": pem(M.leaf("ministry next")),
        "tls-ca.pem": pem(TWO_CAS[1].certificate),
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path / "uk"


def call(folder: Path, *arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["-C", str(folder), "partner", *arguments], input=typed)


def as_json(folder: Path, *arguments: str) -> Any:
    result = call(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def audit(folder: Path) -> list[dict[str, Any]]:
    result = CliRunner().invoke(
        app, ["-C", str(folder), "audit", "list", "--json", "--after", "0", "--limit", "500"]
    )
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def files_of(folder: Path, **options: str) -> list[str]:
    """``sign="sign.pem"`` → ``--certificate <path>`` and so on."""
    names = {
        "sign": "--certificate",
        "encrypt": "--encryption-certificate",
        "ca": "--ca",
        "tls_ca": "--tls-ca",
        "metadata": "--metadata",
    }
    return [word for key, name in options.items() for word in (names[key], str(folder.parent / name))]


GOOD = {"sign": "sign.pem", "encrypt": "encrypt.pem", "ca": "ca.pem"}
CERTIFICATES = (M.sign, M.encrypt, M.ca.certificate)


def confirmed(*certificates: Any) -> list[str]:
    return [word for c in certificates for word in ("--fingerprint", sha256(c))]


def add_good(folder: Path, *more: str) -> Result:
    return call(
        folder,
        "add",
        "fr",
        *files_of(folder, **GOOD),
        "--url",
        URL,
        *confirmed(*CERTIFICATES),
        "--yes",
        *more,
    )


# ---- adding ---------------------------------------------------------------------------------------


def test_a_partner_is_added_after_the_phone_call(folder: Path) -> None:
    """The last groups are hidden, typed as heard, and everything is written and audited at once."""
    typed = "".join(f"{sha256(c)[-8:-4]} {sha256(c)[-4:].upper()}\n" for c in CERTIFICATES)
    result = call(folder, "add", "fr", *files_of(folder, **GOOD), "--url", URL, typed=typed)
    assert result.exit_code == 0, result.output
    for certificate in CERTIFICATES:
        digits = sha256(certificate)
        assert f"{digits[:4]} {digits[4:8]}" in result.stdout
        # the runner echoes what is typed, so only what came before the questions counts
        assert f"{digits[-8:-4]} {digits[-4:]}" not in result.stdout.partition("Last two groups of")[0]
    partner = Instance.load(folder).load_partner()
    assert partner.signing == (M.sign,)
    assert partner.recipient == M.encrypt
    assert Instance.load(folder).settings.france.url == URL
    entries = [(e["action"], e["subject"], e["data"].get("sha256")) for e in audit(folder)]
    added = [("partner.certificate_added", PARTY, sha256(c)) for c in CERTIFICATES]
    assert entries == [*added, ("partner.setting_changed", PARTY, None)]


def test_lines_fit_an_ordinary_terminal(folder: Path) -> None:
    """80 columns are enough for everything that is shown while adding."""
    result = call(folder, "add", "fr", *files_of(folder, **GOOD), "--url", URL, typed="x\n")
    assert max(len(line) for line in result.stdout.splitlines() if "/" not in line) <= 80


def test_wrong_groups_change_nothing(folder: Path) -> None:
    """What was heard is not what is in the file: nothing is installed."""
    before = tree(folder)
    result = call(folder, "add", "fr", *files_of(folder, **GOOD), "--url", URL, typed="0000 0000\n")
    assert result.exit_code == 1
    assert "its SHA-256 fingerprint is not the one that was confirmed" in result.stderr
    assert tree(folder) == before
    assert audit(folder) == []


def test_an_interrupted_confirmation_changes_nothing(folder: Path) -> None:
    """The call ends before the last certificate is confirmed: not even the first is installed."""
    before = tree(folder)
    typed = f"{sha256(M.sign)[-8:]}\n"
    result = call(folder, "add", "fr", *files_of(folder, **GOOD), typed=typed)
    assert result.exit_code != 0
    assert tree(folder) == before


def test_scripts_give_whole_fingerprints(folder: Path) -> None:
    """With --yes nothing is asked; colons and capitals are as OpenSSL prints them."""
    colons = [":".join(sha256(c)[n : n + 2].upper() for n in range(0, 64, 2)) for c in CERTIFICATES]
    words = [w for text in colons for w in ("--fingerprint", text)]
    found = as_json(folder, "add", PARTY, *files_of(folder, **GOOD), "--url", URL, "--yes", *words)
    assert found["changed"] is True
    assert set(found["added"]) == {sha256(c) for c in CERTIFICATES}
    assert found["settings"] == {"france.url": URL}


FINGERPRINTS = {
    "none": ([], ["partner.fingerprint_missing"] * 3),
    "one missing": (confirmed(M.sign, M.encrypt), ["partner.fingerprint_missing"]),
    "wrong": (
        [*confirmed(M.sign, M.encrypt), "--fingerprint", "ab" * 32],
        ["partner.fingerprint"],
    ),
    "one too many": (
        [*confirmed(*CERTIFICATES), "--fingerprint", "ab" * 32],
        ["partner.fingerprint_unknown"],
    ),
    "short": (["--fingerprint", "abcd"], ["partner.fingerprint_form"]),
}


@pytest.mark.parametrize("case", FINGERPRINTS)
def test_yes_is_no_way_round_the_phone_call(folder: Path, case: str) -> None:
    """Every new certificate needs its own whole SHA-256; nothing is written otherwise."""
    words, codes = FINGERPRINTS[case]
    before = tree(folder)
    result = call(folder, "add", "fr", *files_of(folder, **GOOD), "--yes", *words)
    assert result.exit_code == 1
    assert [line.partition("[")[2].rstrip("]") for line in result.stderr.splitlines()[:-1]] == codes
    assert tree(folder) == before
    assert audit(folder) == []


def test_a_file_that_is_refused_changes_nothing(folder: Path) -> None:
    """One bad file among good ones: its reason is told with its name, and nothing at all is installed."""
    (folder.parent / "old.pem").write_bytes(pem(M.leaf("old", start=-400, end=-2, usage=pki.ENCRYPTS)))
    before = tree(folder)
    result = call(folder, "add", "fr", *files_of(folder, **{**GOOD, "encrypt": "old.pem"}), "--url", URL)
    assert result.exit_code == 1
    until = (NOW - 2 * pki.DAY).date()
    path = folder.parent / "old.pem"
    text = f"the certificate expired on {until}; ask the partner for its current one"
    assert result.stderr.splitlines() == [
        f"  {path}: {text} [partner.expired]",
        "error: refused, nothing was changed (partner.refused)",
    ]
    assert tree(folder) == before
    assert audit(folder) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["add", "fr"], "nothing is given; give --certificate, --metadata, --ca or --url"),
        (["add", "fr", "--certificate", "missing.pem"], "missing.pem: the file cannot be read"),
        (["add", "de", "--url", URL], "the agreement names no partner de"),
        (["add", "fr", "--url", "http://as4.ministere.example/as4", "--yes"], "give an https address"),
        (["add", "fr", "--url", "as4.ministere.example", "--yes"], "give an https address such as"),
        (["add", "fr", "--url", URL, "--json"], "--json asks nothing"),
        (["show", "--export", "x"], "--export writes our own values"),
        (["retire", "fr", "abc", "--reason", "x"], "give at least 8 digits"),
        (["retire", "fr", "ab" * 32, "--reason", "x"], "no certificate here has that fingerprint"),
        (["retire", "fr", "ab" * 32, "--reason", " "], "a reason of 1 to 500 characters is needed"),
        (["pmode", "--for", "holodeck"], "this product needs a file for each P-Mode"),
    ],
)
def test_wrong_arguments_are_told(folder: Path, arguments: list[str], text: str) -> None:
    """A clear line on standard error, exit status 1, nothing written."""
    before = tree(folder)
    result = call(folder, *arguments)
    assert result.exit_code == 1
    assert text in result.stderr
    assert "Traceback" not in result.output
    assert tree(folder) == before


def test_our_own_certificate_is_refused(folder: Path) -> None:
    """A partner that returns what we sent it is a mistake that would let us impersonate it."""
    ours = folder / "keys" / "as4-sign.crt.pem"
    result = call(folder, "add", "fr", "--certificate", str(ours), "--ca", str(folder / "ca" / "ca.crt.pem"))
    assert result.exit_code == 1
    assert "this is our own certificate or key (keys/as4-sign.crt.pem)" in result.stderr


def test_another_partys_certificate_is_refused(folder: Path) -> None:
    """A certificate stands for one party only (as4.md 37)."""
    key_files.write_public(folder / "trust" / "be" / "party" / "sign.pem", pem(M.sign))
    result = call(folder, "add", "fr", *files_of(folder, **GOOD))
    assert result.exit_code == 1
    assert "belongs to another party already (trust/be/party/sign.pem)" in result.stderr


def test_a_revoked_certificate_is_refused(folder: Path) -> None:
    """By the revocation list that lies in the trust folder."""
    assert add_good(folder).exit_code == 0
    gone = M.leaf("ministry gone")
    key_files.write_public(folder / "trust" / "fr" / "crl" / "list.pem", M.crl(gone))
    (folder.parent / "gone.pem").write_bytes(pem(gone))
    result = call(folder, "add", "fr", *files_of(folder, sign="gone.pem"))
    assert result.exit_code == 1
    assert "[partner.revoked]" in result.stderr


def test_the_same_again_is_nothing(folder: Path) -> None:
    """Adding twice changes nothing the second time, and says so with status 0."""
    assert add_good(folder).exit_code == 0
    before, entries = tree(folder), audit(folder)
    again = add_good(folder)
    assert (again.exit_code, "Nothing to do" in again.stdout) == (0, True)
    assert (tree(folder), audit(folder)) == (before, entries)


def test_an_address_is_changed_only_with_replace(folder: Path) -> None:
    """A set address is not overwritten by accident."""
    assert add_good(folder).exit_code == 0
    other = "https://as4-bis.ministere.example/as4"
    refused = call(folder, "add", "fr", "--url", other, "--yes")
    assert refused.exit_code == 1
    assert f"the address is {other}, but {URL} is set" in refused.stderr
    assert call(folder, "add", "fr", "--url", other, "--yes", "--replace").exit_code == 0
    assert Instance.load(folder).settings.france.url == other


def test_a_tls_ca_of_its_own_gets_a_folder_of_its_own(folder: Path) -> None:
    """It verifies the server only: messages keep their anchors, and the setting points to the new folder."""
    words = confirmed(*CERTIFICATES, TWO_CAS[1].certificate)
    given = files_of(folder, **GOOD, tls_ca="tls-ca.pem")
    result = call(folder, "add", "fr", *given, "--url", URL, "--yes", *words)
    assert result.exit_code == 0, result.output
    instance = Instance.load(folder)
    assert str(instance.settings.france.anchors) == "trust/fr/tls"
    assert [len(list((folder / "trust/fr" / f).glob("*.pem"))) for f in ("anchors", "tls")] == [1, 1]
    assert TWO_CAS[1].certificate not in instance.load_partner().trust.anchors
    assert instance.french_tls().get_ca_certs()[0]["subject"][-1] == (("commonName", "Other TLS CA"),)


# ---- renewal --------------------------------------------------------------------------------------


def test_a_renewed_certificate_stands_beside_the_old_one(folder: Path) -> None:
    """Both are believed until the old one is retired; retiring keeps it for old evidence, and is audited."""
    assert add_good(folder).exit_code == 0
    new = M.leaf("ministry next")
    (folder.parent / "next.pem").write_bytes(pem(new))
    result = call(folder, "add", "fr", *files_of(folder, sign="next.pem"), "--yes", *confirmed(new))
    assert result.exit_code == 0, result.output
    old = sha256(M.sign)
    assert f'passerelle partner retire fr {old[:16]} --reason "renewed"' in result.stdout
    assert set(Instance.load(folder).load_partner().signing) == {M.sign, new}
    retired = call(folder, "retire", "fr", old[:16], "--reason", "renewed")
    assert retired.exit_code == 0, retired.output
    assert Instance.load(folder).load_partner().signing == (new,)
    kept = key_files.read_chain(folder / "trust" / "fr" / "retired" / f"{old[:16]}.pem")
    assert kept == (M.sign,)
    last = audit(folder)[-1]
    assert (last["action"], last["data"]["sha256"], last["data"]["reason"]) == (
        "partner.certificate_retired",
        old,
        "renewed",
    )


def test_replace_retires_at_once(folder: Path) -> None:
    """A lost key: the new certificate comes and the old one goes in one step."""
    assert add_good(folder).exit_code == 0
    new = M.leaf("ministry next")
    (folder.parent / "next.pem").write_bytes(pem(new))
    found = as_json(
        folder, "add", "fr", *files_of(folder, sign="next.pem"), "--yes", "--replace", *confirmed(new)
    )
    assert (found["added"], found["retired"]) == ([sha256(new)], [sha256(M.sign)])
    assert Instance.load(folder).load_partner().signing == (new,)


def test_an_expired_certificate_is_pointed_out_until_it_is_retired(folder: Path) -> None:
    """Its successor alone does not remove it: add says so with the command, also when nothing else is new."""
    old, new = M.leaf("ministry before", start=-400, end=-2), M.leaf("ministry next")
    key_files.write_public(folder / "trust" / "fr" / "party" / "before.pem", pem(old))
    (folder.parent / "next.pem").write_bytes(pem(new))
    assert add_good(folder).exit_code == 0
    words = ("add", "fr", *files_of(folder, sign="next.pem"), "--yes", *confirmed(new))
    retire = f"passerelle partner retire fr {sha256(old)[:16]} --reason"
    first = call(folder, *words)
    assert first.exit_code == 0, first.output
    assert f'{retire} "expired"' in first.stdout
    assert f'{retire} "renewed"' not in first.stdout
    again = call(folder, *words)
    assert "Nothing to do" in again.stdout
    assert f'{retire} "expired"' in again.stdout
    assert as_json(folder, *words)["expired"] == [sha256(old)]
    assert call(folder, "retire", "fr", sha256(old)[:16], "--reason", "expired").exit_code == 0
    assert as_json(folder, *words)["expired"] == []


def test_replace_retires_an_expired_certificate_too(folder: Path) -> None:
    """Then there is nothing left to point out."""
    old, new = M.leaf("ministry before", start=-400, end=-2), M.leaf("ministry next")
    key_files.write_public(folder / "trust" / "fr" / "party" / "before.pem", pem(old))
    (folder.parent / "next.pem").write_bytes(pem(new))
    assert add_good(folder).exit_code == 0
    words = ("add", "fr", *files_of(folder, sign="next.pem"), "--yes", "--replace", *confirmed(new))
    found = as_json(folder, *words)
    assert (set(found["retired"]), found["expired"]) == ({sha256(old), sha256(M.sign)}, [])


@pytest.mark.parametrize("certificate", CERTIFICATES, ids=["signing", "encryption", "ca"])
def test_what_is_needed_is_not_retired_by_accident(folder: Path, certificate: Any) -> None:
    """The last certificate of its kind stays, unless the operator says that its key was lost."""
    assert add_good(folder).exit_code == 0
    before = tree(folder)
    result = call(folder, "retire", "fr", sha256(certificate), "--reason", "mistake")
    assert result.exit_code == 1
    assert "add the partner's new certificate first" in result.stderr
    assert tree(folder) == before
    forced = call(folder, "retire", "fr", sha256(certificate), "--reason", "key lost", "--even-if-needed")
    assert forced.exit_code == 0
    assert sha256(certificate) not in json.dumps(as_json(folder, "show")["certificates"])


def test_a_file_with_several_certificates_keeps_the_others(folder: Path) -> None:
    """A chain that an operator put there by hand loses only the one that is retired."""
    assert add_good(folder).exit_code == 0
    by_hand = folder / "trust" / "fr" / "party" / "by-hand.pem"
    by_hand.write_bytes(pem(M.both, M.sign))
    assert call(folder, "retire", "fr", sha256(M.sign), "--reason", "renewed").exit_code == 0
    assert key_files.read_chain(by_hand) == (M.both,)


def test_a_change_that_cannot_be_finished_is_undone(folder: Path) -> None:
    """When one file cannot be written, the ones before it are taken back, and nothing is audited."""
    shutil.rmtree(folder / "trust" / "fr" / "anchors")
    (folder / "trust" / "fr" / "anchors").symlink_to(folder / "nowhere" / "at" / "all")
    (folder / "nowhere").write_text("in the way")
    before = tree(folder)
    result = add_good(folder)
    assert result.exit_code == 1
    assert "nothing was changed" in result.stderr
    assert tree(folder) == before
    assert audit(folder) == []


def test_files_are_taken_back_when_the_audit_log_cannot_be_written(folder: Path) -> None:
    """No change without its audit entry: a database that refuses the entry at commit undoes the files."""
    assert add_good(folder).exit_code == 0
    with contextlib.closing(sqlite3.connect(folder / "passerelle.db")) as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        database.commit()
    before = tree(folder)
    new = M.leaf("ministry next")
    (folder.parent / "next.pem").write_bytes(pem(new))
    result = call(folder, "add", "fr", *files_of(folder, sign="next.pem"), "--yes", *confirmed(new))
    assert result.exit_code == 1
    assert tree(folder) == before


# ---- showing --------------------------------------------------------------------------------------


def test_list_and_show_say_what_is_there(folder: Path) -> None:
    """Empty at first; then address, dates and every fact of each certificate."""
    (row,) = as_json(folder, "list")
    assert (row["party"], row["address"], row["state"].partition(":")[0]) == (PARTY, None, "incomplete")
    assert add_good(folder, "--key-reference", "ski").exit_code == 0
    (row,) = as_json(folder, "list")
    assert (row["address"], row["state"]) == (URL, "ready")
    found = as_json(folder, "show", "fr")
    assert found["key_references"] == ["ski"]
    assert {c["sha256"] for c in found["certificates"]} == {sha256(c) for c in CERTIFICATES}
    assert {c["serial"] for c in found["certificates"]} == {str(c.serial_number) for c in CERTIFICATES}
    text = call(folder, "show").stdout
    for digits in map(sha256, CERTIFICATES):
        assert f"{digits[-8:-4]} {digits[-4:]}" in text


def test_show_has_every_value_of_the_agreement(folder: Path) -> None:
    """P-Modes with exact values, and what is still to be agreed."""
    agreement = Instance.load(folder).agreement
    found = as_json(folder, "show")
    assert len(found["pmodes"]) == len(agreement.pmode_rows)
    first, row = found["pmodes"][0], agreement.pmode_rows[0]
    assert (first["we"], first["service"], first["action"]) == ("send", row.service, row.action)
    assert first["initiator"] == {
        "id": row.initiator.id,
        "type": row.initiator.id_type,
        "role": row.initiator_role,
    }
    assert {item["place"] for item in found["unverified"]} == {"parties.uk", "parties.fr", "exchange"}
    text = call(folder, "show").stdout
    for value in (row.service, row.service_type, row.agreement_ref, row.mpc, row.original_sender):
        assert value in text
    assert all(r.action in text for r in agreement.pmode_rows)
    assert "UNVERIFIED" in text


def test_what_we_hand_over_can_be_installed_by_another(folder: Path, template: Path, tmp_path: Path) -> None:
    """Our exported metadata is what ``partner add --metadata`` takes, once it is of the right party."""
    handed = tmp_path / "handed"
    result = call(
        folder, "show", "--ours", "--export", str(handed), "--our-url", "https://as4.uk.example/as4"
    )
    assert result.exit_code == 0, result.output
    assert {p.name for p in handed.iterdir()} == {
        "as4-sign.crt.pem", "as4-decrypt.crt.pem", "tls.crt.pem", "ca.crt.pem", "partner.toml",
        "fingerprints.txt",
    }  # fmt: skip
    assert not any(b"PRIVATE" in p.read_bytes() for p in handed.iterdir())
    again = call(folder, "show", "--ours", "--export", str(handed))
    assert (again.exit_code, "nothing was written" in again.stderr) == (1, True)
    metadata = handed / "partner.toml"
    wrong = call(folder, "add", "fr", "--metadata", str(metadata))
    assert "the metadata is of party GB-HO-PASSERELLE, the agreement names FR-MI-AS4" in wrong.stderr
    # another gateway (with other keys) takes the same parcel as that of its partner
    other = tmp_path / "other"
    assert CliRunner().invoke(app, ["init", str(other)]).exit_code == 0
    metadata.write_text(metadata.read_text().replace("GB-HO-PASSERELLE", PARTY))
    ours = [key_files.read_chain(handed / f"{n}.crt.pem")[0] for n in ("as4-sign", "as4-decrypt", "ca")]
    added = call(other, "add", "fr", "--metadata", str(metadata), "--yes", *confirmed(*ours))
    assert added.exit_code == 0, added.output
    assert Instance.load(other).load_partner().recipient == ours[1]
    assert Instance.load(other).settings.france.url == "https://as4.uk.example/as4"


def test_keys_of_profile_2_are_handed_over_too(folder: Path) -> None:
    """Once the instance has them, each with the name of its file, beside those of profile 1.15."""
    add_profile(folder, SecurityProfile.EDELIVERY_2_0, now=NOW)
    found = {c["file"]: c["key"] for c in as_json(folder, "show", "--ours")["certificates"]}
    assert found["as4-sign.crt.pem"] == "RSA 2048"
    assert found["as4-sign-ed25519.crt.pem"] == "Ed25519"
    assert found["as4-decrypt-x25519.crt.pem"] == "X25519"


def test_pmode_writes_a_file_and_never_over_one(folder: Path, tmp_path: Path) -> None:
    """To standard output, to a file, or into a folder with a file for each P-Mode."""
    assert add_good(folder).exit_code == 0
    shown = call(folder, "pmode", "--for", "domibus", "--our-url", "https://as4.uk.example/as4")
    parties = parse_xml(shown.stdout.encode()).iterfind(".//party")
    assert [p.get("endpoint") for p in parties] == ["https://as4.uk.example/as4", URL]
    target = tmp_path / "pmode.json"
    assert call(folder, "pmode", "--for", "phase4", "--output", str(target)).exit_code == 0
    assert len(json.loads(target.read_text())) == len(Instance.load(folder).agreement.pmode_rows) + 2
    again = call(folder, "pmode", "--for", "phase4", "--output", str(target))
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    assert call(folder, "pmode", "--for", "holodeck", "--output", str(tmp_path / "hb")).exit_code == 0
    assert len(list((tmp_path / "hb").glob("*.xml"))) == len(Instance.load(folder).agreement.pmode_rows) + 2


def test_the_entry_remembers_how_the_partner_refers_to_keys(folder: Path) -> None:
    """It is kept in the trust folder, and P-Mode files follow it."""
    assert add_good(folder, "--key-reference", "issuer-serial").exit_code == 0
    entry = tomllib.loads((folder / "trust" / "fr" / "partner.toml").read_text())
    assert entry == {"party": PARTY, "key_references": ["issuer-serial"]}
    assert "eDeliveryAS4Policy_IS.xml" in call(folder, "pmode", "--for", "domibus").stdout
    (folder / "trust" / "fr" / "partner.toml").write_text('key_references = ["x"]')
    assert "cannot be read; correct or remove it" in call(folder, "show").stderr


def test_a_variable_that_wins_is_pointed_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written, but the environment overrides it: the operator is told."""
    monkeypatch.setenv("PASSERELLE_FRANCE__URL", "https://elsewhere.example/as4")
    result = add_good(folder, "--replace")
    assert result.exit_code == 0, result.output
    assert "PASSERELLE_FRANCE__URL is set in this environment, and wins" in result.stdout
