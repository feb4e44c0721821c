"""What does eSignet say about itself? OpenID discovery and RFC 8414 metadata, in the recorded order.

Some of it is false in the real product too, and kept: userinfo encryption is announced as
RSAXXXXX/A128GCM, userinfo_signed_response_alg as PS256, claims_locales as en only.
"""

CLAIMS = [
    "name", "address", "gender", "birthdate", "picture", "email", "phone_number",
    "individual_id", "phone_number_verified", "registration_type", "updated_at",
]
OPENID_SCOPES = ["openid", "profile", "email", "phone", "address"]
AUTHORIZE_SCOPES = [
    "Manage-Identity-Data", "Manage-VID", "Manage-Authentication", "Manage-Service-Requests",
    "Manage-Credentials",
]
SCOPE_CLAIMS = {
    "profile": [c for c in CLAIMS if c != "individual_id"],
    "email": ["email"],
    "phone": ["phone_number", "phone_number_verified"],
    "address": ["address"],
}
ACR_FACTORS = {
    "mosip:idp:acr:static-code": "PIN",
    "mosip:idp:acr:generated-code": "OTP",
    "mosip:idp:acr:linked-wallet": "WLA",
    "mosip:idp:acr:biometrics": "BIO",
    "mosip:idp:acr:knowledge": "KBI",
    "mosip:idp:acr:password": "PWD",
    "mosip:idp:acr:id-token": "IDT",
}
DISPLAYS = ["page", "popup", "touch", "wap"]
PROMPTS = ["none", "login", "consent", "select_account"]
ASSERTION_ALGS = ["RS256", "PS256", "ES256"]
DPOP_ALGS = ["RS256", "PS256"]

SERVICE = "/v1/esignet"
TOKEN_PATH = SERVICE + "/oauth/v2/token"
LEGACY_TOKEN_PATH = SERVICE + "/oauth/token"
PAR_PATH = SERVICE + "/oauth/par"
USERINFO_PATH = SERVICE + "/oidc/userinfo"


def discovery(issuer):
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + "/authorize",
        "token_endpoint": issuer + TOKEN_PATH,
        "userinfo_endpoint": issuer + USERINFO_PATH,
        "jwks_uri": issuer + "/.well-known/jwks.json",
        "pushed_authorization_request_endpoint": issuer + PAR_PATH,
        "scopes_supported": OPENID_SCOPES,
        "response_types_supported": ["code"],
        "acr_values_supported": [
            "mosip:idp:acr:knowledge", "mosip:idp:acr:password", "mosip:idp:acr:static-code",
            "mosip:idp:acr:generated-code", "mosip:idp:acr:linked-wallet",
            "mosip:idp:acr:biometrics",
        ],
        "userinfo_signed_response_alg": "PS256",
        "userinfo_signing_alg_values_supported": ["RS256", "PS256"],
        "userinfo_encryption_alg_values_supported": ["RSAXXXXX"],
        "userinfo_encryption_enc_values_supported": ["A128GCM"],
        "response_modes_supported": ["query"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGS,
        "id_token_signed_response_alg": "PS256",
        "id_token_signing_alg_values_supported": ["RS256", "PS256"],
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": True,
        "display_values_supported": DISPLAYS,
        "subject_types_supported": ["pairwise"],
        "claims_supported": CLAIMS,
        "claims_locales_supported": ["en"],
        "request_parameter_supported": False,
        "ui_locales_supported": ["en"],
        "claims_in_verified_claims_supported": CLAIMS[:7],
        "dpop_signing_alg_values_supported": DPOP_ALGS,
        "code_challenge_methods_supported": ["S256"],
        "require_pushed_authorization_requests": False,
        "authorization_response_iss_parameter_supported": True,
    }


def authorization_server(issuer):
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + "/authorize",
        "token_endpoint": issuer + TOKEN_PATH,
        "jwks_uri": issuer + "/.well-known/jwks.json",
        "pushed_authorization_request_endpoint": issuer + PAR_PATH,
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGS,
        "scopes_supported": OPENID_SCOPES,
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "response_types_supported": ["code"],
        "authorization_response_iss_parameter_supported": True,
    }
