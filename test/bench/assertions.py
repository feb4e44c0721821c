#!/usr/bin/python3
"""Client assertions (RFC 7523) in advance, so that making them costs nothing while the bridge is measured. Called by run.py."""
import json
import secrets
import time
from urllib.parse import urlencode

from jwcrypto import jwk, jws

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def make(issuer, client_id, count):
    """(JWKS text, token request bodies), ES256."""
    key = jwk.JWK.generate(kty="EC", crv="P-256", kid="bench", alg="ES256", use="sig")
    forms, now = [], int(time.time())
    for _ in range(count):
        token = jws.JWS(json.dumps({"iss": client_id, "sub": client_id, "aud": issuer + "/token", "iat": now, "exp": now + 900,
                                    "jti": secrets.token_urlsafe(16)}))
        token.add_signature(key, None, json.dumps({"alg": "ES256", "kid": "bench"}))
        forms.append(urlencode({"grant_type": "client_credentials", "client_assertion_type": TYPE,
                                "client_assertion": token.serialize(compact=True)}))
    return json.dumps({"keys": [key.export_public(as_dict=True)]}), forms
