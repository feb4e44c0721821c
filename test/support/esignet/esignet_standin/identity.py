"""Who are the people, how do they authenticate, and which claims come out?

The counterpart of mock-identity-system 0.13.0 and the mock plugin 1.3.2, oddities included:
birthdate with slashes, ISO 639-2 language tags, empty strings where a language has no data,
sub = b64url(SHA3-256(individualId + relyingPartyId)).
"""
from .errors import EsignetError
from .jose import b64u_sha3_256

# The claims that exist per language in the mock; the rest is plain or never sent.
TAGGED = ["gender", "name"]
ADDRESS = ["street_address", "locality", "region", "country"]
ORDER = ["birthdate", "address", "gender", "name", "phone_number", "email", "picture"]
STORED = {"phone_number": "phone"}
ISO3 = {
    "en": "eng", "fr": "fra", "ar": "ara", "pt": "por", "si": "sin", "ta": "tam", "hi": "hin",
    "sw": "swa", "km": "khm", "kn": "kan", "am": "amh", "lo": "lao", "es": "spa",
}
STATIC_OTP = "111111"
FORMATS = {"PIN": "number", "OTP": "alpha-numeric", "PWD": "alpha-numeric",
           "BIO": "encoded-json", "KBI": "base64url-encoded-json", "WLA": "jwt", "IDT": "base64url-encoded-json"}
LENGTHS = {"PIN": (6, 6), "OTP": (6, 6), "PWD": (8, 30)}


def iso3(locale):
    """Java's new Locale(text).getISO3Language(): en and eng mean eng; en-US is not understood."""
    if len(locale) == 3:
        return locale.lower()
    return ISO3.get(locale.lower(), "und") if len(locale) == 2 else None


def languages_of(locales, verified):
    """The plugin forgets the conversion when verified claims are asked for: en then matches nothing.
    Nothing understood means the default, eng."""
    known = locales if verified else [iso3(locale) for locale in locales]
    return [language for language in known if language] or ["eng"]


def mask(text, keep):
    return "X" * max(len(text) - keep, 0) + text[-keep:]


def check_challenge(challenge, index=0):
    """The bean validation of AuthChallenge (message names the position)."""
    factor, value = challenge.get("authFactorType"), challenge.get("challenge")
    where = "request.challengeList[%d]: " % index
    if factor not in FORMATS:
        raise EsignetError(("invalid_auth_factor_type", where + "invalid_auth_factor_type"))
    # Knowledge-based login is offered but needs a field configuration nobody has by default.
    if not value or factor == "KBI":
        raise EsignetError(("invalid_challenge", where + "invalid_challenge"))
    if challenge.get("format") != FORMATS[factor]:
        raise EsignetError(("invalid_challenge_format", where + "invalid_challenge_format"))
    low, high = LENGTHS.get(factor, (1, 500000))
    if not low <= len(value) <= high:
        raise EsignetError(("invalid_challenge_length", where + "invalid_challenge_length"))


class IdentitySystem:
    """individualId to person, as the seed file describes them (README.md)."""

    def __init__(self, persons):
        self.persons = {person["individualId"]: person for person in persons}

    def person(self, individual_id):
        if individual_id not in self.persons:
            raise EsignetError("invalid_individual_id")
        return self.persons[individual_id]

    def authenticate(self, individual_id, challenge):
        """Raises auth_failed unless the challenge is this person's."""
        person = self.person(individual_id)
        expected = {
            "PIN": person.get("pin"), "OTP": STATIC_OTP, "PWD": person.get("password"),
            "BIO": challenge["challenge"],
        }.get(challenge["authFactorType"])
        if expected is None or challenge["challenge"] != expected:
            raise EsignetError("auth_failed")

    def otp_channels(self, individual_id):
        person = self.person(individual_id)
        user, _, domain = person.get("email", "").partition("@")
        masked = "".join(c if i % 3 == 2 or c == "." else "X" for i, c in enumerate(user))
        return masked + "@" + domain, mask(person.get("phone", ""), 5)

    def claim_metadata(self, individual_id):
        """claim to the verifications stored for it."""
        stored = {}
        for row in self.person(individual_id).get("verified", []):
            for claim in row["claims"]:
                stored.setdefault(claim, []).append(
                    {k: row[k] for k in ("trust_framework", "time") if k in row})
        return stored

    def claims(self, individual_id, accepted, locales, verified_requests):
        """Claims of userinfo without sub, iss and aud, in the mock's order."""
        person = self.person(individual_id)
        languages = languages_of(locales, bool(verified_requests))
        in_request = {claim for row in verified_requests for claim in row["claims"]}
        result = {}
        for claim in ORDER:
            if claim in accepted and claim not in in_request:
                result.update(_claim(person, claim, languages))
        found = [self._verified(person, row, accepted, languages) for row in verified_requests]
        if any(found):
            result["verified_claims"] = [row for row in found if row]
        return result

    def _verified(self, person, wanted, accepted, languages):
        """One requested verified_claims element, or None when nothing stored matches it."""
        stored = [row for row in person.get("verified", []) if verification_matches(wanted["verification"], row)]
        claims = {}
        for row in stored:
            for claim in row["claims"]:
                if claim in wanted["claims"] and claim in accepted:
                    claims.update(_claim(person, claim, languages))
        if not claims:
            return None
        return {"verification": {name: stored[0][name] for name in ("trust_framework", "time")}, "claims": claims}


def verification_matches(wanted, stored):
    framework = wanted.get("trust_framework") or {}
    allowed = framework.get("values") or ([framework["value"]] if "value" in framework else None)
    return allowed is None or stored.get("trust_framework") in allowed


def _claim(person, claim, languages):
    if claim in TAGGED:
        return _tagged(claim, person[claim], languages) if claim in person else {}
    if claim == "address":
        return _address(person, languages)
    value = person.get(STORED.get(claim, claim))
    return {claim: value} if value else {}


def _tagged(claim, values, languages):
    """No data: "". Data in one language: untagged. In several: only tagged, never plain."""
    there = [language for language in values if language in languages]
    if not there:
        return {claim: ""}
    if len(there) == 1:
        return {claim: values[there[0]]}
    return {"%s#%s" % (claim, language): values[language] for language in there}


def _address(person, languages):
    """Tags sit inside the object; without data there is no address at all. postal_code never comes."""
    inner = {}
    for member in ADDRESS:
        values = person.get("address", {}).get(member, {})
        if any(language in values for language in languages):
            inner.update(_tagged(member, values, languages))
    return {"address": inner} if inner else {}


def subject(individual_id, relying_party_id):
    return b64u_sha3_256(individual_id + relying_party_id)
