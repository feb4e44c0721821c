"""Which keys sign, under which kid, and what does the JWKS show?

eSignet's keymanager keeps one RSA key per application: OIDC_SERVICE signs id_token and
access token, the identity system's key signs userinfo. kid is computed from the application
name and the DATE, not from the key (KeymanagerServiceImpl, SignatureUtil.convertHexToBase64):
every eSignet initialised on one UTC day has the same kids.
"""
import base64
import datetime
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from jwcrypto import jwk

from .jose import b64u

VALID_DAYS = 1095
APPLICATIONS = {"oidc": "OIDC_SERVICE", "userinfo": "MOCK_AUTHENTICATION_SERVICE"}


def kid_of(application, day):
    """day: a date. b64url(SHA-256(SHA-1("<application>_<referenceId>_<MM-dd-yyyy>")))."""
    name = "%s_%s_%s" % (application, "", day.strftime("%m-%d-%Y"))
    return b64u(hashlib.sha256(hashlib.sha1(name.encode()).digest()).digest())


def _name(common):
    rows = [
        (NameOID.COUNTRY_NAME, "IN"), (NameOID.STATE_OR_PROVINCE_NAME, "KA"),
        (NameOID.LOCALITY_NAME, "BANGALORE"), (NameOID.ORGANIZATION_NAME, "IITB"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "MOSIP-TECH-CENTER"),
        (NameOID.COMMON_NAME, "www.mosip.io (%s)" % common),
    ]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in rows])


def _certificate(key, common, root, start, end):
    """DER of a certificate as eSignet's: CA:TRUE, signed by a root nobody publishes."""
    usage = x509.KeyUsage(False, False, False, False, False, True, False, False, False)
    builder = (
        x509.CertificateBuilder().subject_name(_name(common)).issuer_name(_name("ROOT"))
        .public_key(key.public_key()).serial_number(0x5B260F5F0463CAB3)
        .not_valid_before(start).not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )
    return _negative_serial(builder.sign(root, hashes.SHA256()), root)


def _negative_serial(certificate, root):
    """Set the top bit of the serial and sign again: eSignet's serial is negative half of the time,
    which X.509 forbids and no library will make."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    old = certificate.tbs_certificate_bytes
    serial = bytes.fromhex("02085b260f5f0463cab3")
    new = old.replace(serial, bytes.fromhex("0208db260f5f0463cab3"), 1)
    signature = root.sign(new, padding.PKCS1v15(), hashes.SHA256())
    return der.replace(old, new, 1)[: -len(signature)] + signature


class SigningKey:
    """A private key with its kid, certificate and dates."""

    def __init__(self, private, kid, certificate, expires):
        self.private, self.kid, self.certificate, self.expires = private, kid, certificate, expires

    def members(self):
        """The JWK as eSignet publishes it: no alg, a numeric exp (RFC 7517 knows neither)."""
        public = self.private.export_public(as_dict=True)
        return {
            "kty": "RSA",
            "x5t#S256": b64u(hashlib.sha256(self.certificate).digest()),
            "e": public["e"],
            "use": "sig",
            "kid": self.kid,
            "x5c": [base64.b64encode(self.certificate).decode()],
            "exp": self.expires,
            "n": public["n"],
        }

    def to_state(self):
        return {
            "jwk": self.private.export(as_dict=True), "kid": self.kid, "expires": self.expires,
            "certificate": base64.b64encode(self.certificate).decode(),
        }

    @classmethod
    def from_state(cls, row):
        private = jwk.JWK(**row["jwk"])
        return cls(private, row["kid"], base64.b64decode(row["certificate"]), row["expires"])


class KeyRing:
    """Current and former keys of both applications; `rows[which][-1]` signs."""

    def __init__(self, clock):
        self._clock = clock
        self.rows = {"oidc": [], "userinfo": []}
        self.publish_userinfo = True

    def load(self, state):
        for which in self.rows:
            self.rows[which] = [SigningKey.from_state(row) for row in state.get(which, [])]
            if not self.rows[which]:
                self.rows[which] = [self._make(which, self._today())]

    def to_state(self):
        return {which: [key.to_state() for key in keys] for which, keys in self.rows.items()}

    def current(self, which):
        return self.rows[which][-1]

    def rotate(self, which, same_kid, keep_old):
        """same_kid: what a re-initialisation on the same day does. keep_old: eSignet keeps listing."""
        old = self.rows[which]
        day = self._today() + datetime.timedelta(days=len(old))
        key = self._make(which, day)
        if same_kid:
            key.kid = old[-1].kid
        self.rows[which] = (old if keep_old else []) + [key]
        return key

    def jwks(self):
        shown = self.rows["oidc"] + (self.rows["userinfo"] if self.publish_userinfo else [])
        return {"keys": [key.members() for key in shown]}

    def _today(self):
        return datetime.datetime.utcfromtimestamp(self._clock.now()).date()

    def _make(self, which, day):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        root = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        start = datetime.datetime.utcfromtimestamp(self._clock.seconds())
        end = start + datetime.timedelta(days=VALID_DAYS)
        application = APPLICATIONS[which]
        certificate = _certificate(key, application, root, start, end)
        expires = self._clock.seconds() + VALID_DAYS * 86400
        return SigningKey(jwk.JWK.from_pyca(key), kid_of(application, day), certificate, expires)
