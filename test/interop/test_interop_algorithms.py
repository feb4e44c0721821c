"""Do `idbridge token verify` and `token decrypt` read what other JOSE libraries write, in every algorithm they offer?

Signatures by Debian's jose and npm's jose; encryption by npm's jose and by Debian's jose, or python3-jwcrypto where
Debian's jose lacks the algorithm (RSA-OAEP).
"""
import functools
import json
import subprocess
import time

import pytest
from interop_jose import LIBRARIES, Debian, Npm

JWS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256", "HS384", "HS512")
ENCS = ("A256GCM", "A192GCM", "A128GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512")
# algorithm: template of its key for `jose jwk gen`, and the content encryptions tried with it
JWE = {"RSA-OAEP-256": ({"kty": "RSA", "bits": 2048}, ENCS), "RSA-OAEP": ({"kty": "RSA", "bits": 2048}, ("A256GCM",)),
       "ECDH-ES": ({"kty": "EC", "crv": "P-256"}, ("A256GCM", "A128CBC-HS256")),
       "ECDH-ES+A128KW": ({"kty": "EC", "crv": "P-384"}, ("A128GCM",)),
       "ECDH-ES+A192KW": ({"kty": "EC", "crv": "P-521"}, ("A192CBC-HS384",)),
       "ECDH-ES+A256KW": ({"kty": "EC", "crv": "P-256"}, ("A256CBC-HS512",)),
       "A128KW": ({"kty": "oct", "bytes": 16}, ("A128CBC-HS256",)), "A192KW": ({"kty": "oct", "bytes": 24}, ("A192GCM",)),
       "A256KW": ({"kty": "oct", "bytes": 32}, ("A256GCM",)), "dir": ({"kty": "oct", "bytes": 32}, ("A256GCM", "A128CBC-HS256"))}
LIMIT_S = 30
DEBIAN, NPM = Debian(), Npm()
by_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)


@functools.lru_cache
def made(template):
    return DEBIAN.generate(json.loads(template))


@pytest.fixture
def token_command(bridge_binary, tmp_path):
    """token_command("verify", token, key, *words): (exit status, standard output, standard error)"""
    def run(what, token, key, *words):
        path = tmp_path / "key.json"
        path.write_text(json.dumps(key))
        option = "--jwks" if what == "verify" else "--key"
        done = subprocess.run([bridge_binary, "token", what, option, str(path), *words], input=token, capture_output=True, text=True,
                              timeout=LIMIT_S)
        return done.returncode, done.stdout, done.stderr
    return run


@by_library
@pytest.mark.parametrize("alg", JWS)
def test_signatures(token_command, library, alg):
    private, public = made(json.dumps({"kty": "RSA", "bits": 2048} if alg[0] in "RP" else {"alg": alg}))
    key = private if alg.startswith("HS") else public
    claims = {"iss": "https://issuer.example", "aud": ["a", "b"], "exp": int(time.time()) + 60}
    token = library.sign(claims, {"alg": alg, "typ": "JWT"}, private)
    asked = ("--alg", alg, "--issuer", "https://issuer.example", "--audience", "b")
    status, said, error = token_command("verify", token, key, *asked)
    assert (status, said) == (0, f"good: {alg}\n"), error
    head, body, signature = token.split(".")
    forged = library.sign({**claims, "aud": "c"}, {"alg": alg, "typ": "JWT"}, private).split(".")[1]
    status, _, error = token_command("verify", f"{head}.{forged}.{signature}", key, *asked)
    assert status == 1 and "refused" in error


def encrypter(library, alg):
    """Debian's own jose where it can, jwcrypto else."""
    if library is NPM:
        return NPM.encrypt
    return DEBIAN.encrypt if alg.startswith("RSA") else DEBIAN.jose_encrypt


@by_library
@pytest.mark.parametrize("alg", JWE)
def test_encryption(token_command, library, alg):
    template, encs = JWE[alg]
    private, public = made(json.dumps(template))
    for enc in encs:
        key = private if template["kty"] == "oct" else public
        token = encrypter(library, alg)("a text with ünïcode", {"alg": alg, "enc": enc}, key)
        status, said, error = token_command("decrypt", token, private)
        assert (status, said.rstrip("\n")) == (0, "a text with ünïcode"), (enc, error)
        parts = token.split(".")
        parts[4] = ("A" if parts[4][0] != "A" else "B") + parts[4][1:]
        status, said, error = token_command("decrypt", ".".join(parts), private)
        assert status == 1 and said == "" and "refused" in error
