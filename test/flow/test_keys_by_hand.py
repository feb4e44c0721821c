"""Signing keys that an administrator brings: `idbridge key import`, `list`, `export-public`, `retire`.

Issue text: "RSA and EC at once, RFC 7638 kids, automatic rotation …, sealed at rest, `idbridge key list|rotate|retire|import|
export-public`". Rotation is in test_operator_running.py and test/unit/token/test_ring.c.
"""
import json
import time

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, App, jwt_parts, wait_until
from jwcrypto import jwk

SETTINGS = {"keys": {"publish": "2s", "retire": "1h"}}
KINDS = {"RS256": {"kty": "RSA", "size": 2048}, "ES256": {"kty": "EC", "crv": "P-256"}}


def made(alg, **more):
    return jwk.JWK.generate(**KINDS[alg], alg=alg, use="sig", **more)


def listed(m):
    """{kid: (alg, state)} of `key list`; a kid may stand for two keys only by accident of a million years."""
    return {words[0]: (words[1], words[2]) for words in map(str.split, m.run("key", "list").stdout.splitlines())}


def published(m):
    return {key["kid"]: key for key in m.call("GET", m.issuer + "/jwks")[1]["keys"]}


@pytest.mark.parametrize("alg", sorted(KINDS))
def test_an_imported_key_is_published_then_signs_then_leaves(ministry, alg):
    m, key = ministry, made(alg)
    app = App(m, "portal-" + alg.lower())
    first = app.tokens(AMINA, ("amina.diallo", DEMO_PASSWORD))
    signed = next(kind for kind in ("id_token", "access_token") if jwt_parts(first[kind])[0]["alg"] == alg)
    before = jwt_parts(first[signed])[0]["kid"]
    imported = m.run("key", "import", "-", text=key.export_private()).stdout.strip()
    assert imported == key.thumbprint()  # RFC 7638
    wait_until(lambda: imported in published(m))
    assert listed(m)[imported] == (alg, "next") or listed(m)[imported] == (alg, "active")
    shown, mine = published(m)[imported], key.export_public(as_dict=True)
    assert {name: shown[name] for name in mine if name != "kid"} == {name: mine[name] for name in mine if name != "kid"}
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(shown)
    deadline = time.monotonic() + 30
    while jwt_parts(app.tokens(AMINA)[signed])[0]["kid"] != imported:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    wait_until(lambda: listed(m)[imported] == (alg, "active"), 30)
    assert listed(m)[before][1] == "retiring" and before in published(m)
    m.run("key", "retire", before)
    wait_until(lambda: before not in published(m))
    assert m.run("key", "retire", imported, check=False).returncode == 1  # it signs


def test_export_public_is_what_jwks_shows(ministry):
    m = ministry
    exported = {key["kid"]: key for key in json.loads(m.run("key", "export-public").stdout)["keys"]}
    assert exported == published(m) and {key["alg"] for key in exported.values()} == {"RS256", "ES256"}
    assert set(exported) <= set(listed(m))


def test_an_imported_key_lies_sealed_in_the_state_folder(ministry):
    m, key = ministry, made("ES256")
    wait_until(lambda: "next" not in [state for _, state in listed(m).values()], 30)  # one may wait, no more
    m.run("key", "import", "-", text=key.export_private())
    assert m.run("key", "import", "-", text=made("ES256").export_private(), check=False).returncode == 1
    secret = key.export_private(as_dict=True)["d"].encode()
    files = [path for path in (m.folder / "state").rglob("*") if path.is_file()]
    assert files and not [path for path in files if secret in path.read_bytes()]
    assert key.thumbprint().encode() in b"".join(path.read_bytes() for path in files)  # the search finds what lies open


@pytest.mark.parametrize("text, word", [
    (made("RS256").export_public(), "d"), ("{}", "kty"), ("no JSON", "JSON"), ("", "JSON"),
    (jwk.JWK.generate(kty="RSA", size=1024, alg="RS256").export_private(), "1024 bits"),
    (jwk.JWK.generate(kty="EC", crv="P-384", alg="ES384").export_private(), "RS256 and ES256 only"),
    (jwk.JWK.generate(kty="oct", size=256, alg="HS256").export(), "public part"),
    (jwk.JWK.generate(kty="RSA", size=2048, alg="RS256", use="enc").export_private(), "use"),
], ids=["public", "empty object", "words", "nothing", "RSA-1024", "ES384", "HS256", "for encryption"])
def test_what_is_no_signing_key_of_ours_is_refused(ministry, text, word):
    m = ministry
    before = listed(m)
    done = m.run("key", "import", "-", text=text, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and word in done.stderr, done.stderr
    assert listed(m) == before
