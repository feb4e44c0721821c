"""Who vouches for the servers that demo and tests start on loopback?

A throwaway certificate authority made with openssl(1): `Authority(directory)` makes it, or finds the one made before,
and `issue()` signs one server certificate. slapd.py and samba_ad.py call it; any stand-in that wants TLS may.
Ten years of validity, so that a demo left alone for a month still starts; the keys never leave the state directory.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

DAYS = '3650'
NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']


@dataclass(frozen=True)
class Certificate:
    cert: Path
    key: Path


def _openssl(*arguments):
    done = subprocess.run(['openssl', *map(str, arguments)], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise RuntimeError(f'openssl {arguments[0]}: {done.stderr.strip()}')


def _subject_alt_names(names):
    address = ('127.', '::1')
    return ','.join(('IP:' if n.startswith(address) else 'DNS:') + n for n in names)


class Authority:
    """A certificate authority in `directory`; clients trust `ca`. A second directory makes one that nobody trusts."""

    def __init__(self, directory, name='idbridge test CA'):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.ca, self._ca_key = self.directory / 'ca.pem', self.directory / 'ca.key'
        if not self.ca.exists():
            self._make(name)

    def _make(self, name):
        made = self.directory / 'ca.new'
        _openssl('req', '-x509', *NEW_KEY, '-days', DAYS, '-subj', f'/CN={name}', '-keyout', self._ca_key, '-out', made,
                 '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign')
        os.replace(made, self.ca)  # the certificate comes last: where it is, the key is too

    def issue(self, name, alt_names=('localhost', '127.0.0.1'), days=DAYS):
        """A server certificate for the given DNS names and loopback addresses; `days` may be 0 or less: expired."""
        cert, key = self.directory / f'{name}.pem', self.directory / f'{name}.key'
        if cert.exists():
            return Certificate(cert, key)
        request, extensions, made = (self.directory / f'{name}.{end}' for end in ('csr', 'ext', 'new'))
        extensions.write_text(f'subjectAltName={_subject_alt_names(alt_names)}\nextendedKeyUsage=serverAuth,clientAuth\n')
        _openssl('req', *NEW_KEY, '-subj', f'/CN={alt_names[0]}', '-keyout', key, '-out', request)
        _openssl('x509', '-req', '-in', request, '-CA', self.ca, '-CAkey', self._ca_key, '-CAcreateserial',
                 '-days', days, '-extfile', extensions, '-out', made)
        os.chmod(key, 0o600)
        os.replace(made, cert)
        return Certificate(cert, key)
