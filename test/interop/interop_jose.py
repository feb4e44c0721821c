"""Two JOSE libraries nobody here wrote, with one face: Debian's jose (C, its command line) and npm's jose.

Debian's jose 11 has no RSA-OAEP, which is what ID providers use, so what is encrypted on its side is encrypted by Debian's
python3-jwcrypto. Keys are JWKs (dictionaries), tokens compact texts. verify() and decrypt() raise Refused. Used by the tests here.
"""
import json
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import interop_node
import jwcrypto.jwe
import jwcrypto.jwk

LIMIT_S = 20
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Refused(Exception):
    """The library does not accept the token."""


class Debian:
    """Debian package jose: `jose jwk|jws|jwe`."""
    name = "debian"

    @staticmethod
    def _run(*words, text="", keys=()):
        """`keys` go into files after the words, each with its option."""
        with tempfile.TemporaryDirectory() as folder:
            command = ["jose", *words]
            for n, (option, key) in enumerate(keys):
                path = Path(folder) / str(n)
                path.write_text(json.dumps(key))
                command += [option, str(path)]
            done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=LIMIT_S)
        if done.returncode != 0:
            raise Refused(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def generate(self, template):
        """(private, public): template is a JWK without material, e.g. {"alg": "ES256"}."""
        private = json.loads(self._run("jwk", "gen", "-o", "-", "-i", json.dumps(template)))
        private["kid"] = self.thumbprint(private)
        return private, json.loads(self._run("jwk", "pub", "-o", "-", keys=[("-i", private)]))

    def thumbprint(self, key):
        return self._run("jwk", "thp", "-a", "S256", keys=[("-i", key)]).strip()

    def sign(self, claims, header, key):
        return self._run("jws", "sig", "-c", "-o", "-", "-I", "-", "-s", json.dumps({"protected": header}), text=json.dumps(claims),
                         keys=[("-k", key)]).strip()

    def verify(self, token, key):
        return json.loads(self._run("jws", "ver", "-i", "-", "-O", "-", text=token, keys=[("-k", key)]))

    def jose_encrypt(self, text, header, key):
        return self._run("jwe", "enc", "-c", "-o", "-", "-I", "-", "-i", json.dumps({"protected": header}), text=text,
                         keys=[("-k", key)]).strip()

    @staticmethod
    def encrypt(text, header, key):
        made = jwcrypto.jwe.JWE(text.encode(), json.dumps(header), recipient=jwcrypto.jwk.JWK(**key))
        return made.serialize(compact=True)


class Npm:
    """npm jose, through node/jose_tool.mjs."""
    name = "npm"

    @staticmethod
    def _ask(**request):
        answer, = interop_node.jose([request])
        if "error" in answer:
            raise Refused(answer["message"])
        return answer

    def thumbprint(self, key):
        return self._ask(do="thumbprint", jwk=key)["kid"]

    def sign(self, claims, header, key):
        return self._ask(do="sign", payload=claims, header=header, jwk=key)["token"]

    def verify(self, token, key):
        return self._ask(do="verify", token=token, jwks={"keys": [key]})["payload"]

    def encrypt(self, text, header, key):
        return self._ask(do="encrypt", text=text, header=header, jwk=key)["token"]


LIBRARIES = (Debian(), Npm())


def assertion(library, client_id, audience, key, alg, **changes):
    """A client assertion as RFC 7523 §3 wants it."""
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + 60, "jti": uuid.uuid4().hex, **changes}
    return library.sign(claims, {"alg": alg, "kid": key["kid"], "typ": "JWT"}, key)
