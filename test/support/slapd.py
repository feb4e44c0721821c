#!/usr/bin/python3
"""How do demo and tests get a real OpenLDAP server with the sample ministry in it?

    python3 test/support/slapd.py --dir D --port P [--tls-port Q] --ready-file F      stays until SIGTERM

or, from pytest, the class Slapd. Everything lives in D: configuration, database, certificates. The ministry is loaded
only when D has no database yet, so a second run goes on where the first left off. Runs as whoever starts it; needs
Debian's slapd and ldap-utils, and no privileges. slapd.conf comes from deploy/sample-directory/.
"""

import argparse
import base64
import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tls import Authority  # noqa: E402  (the folder is no package: scripts here run by path)

SAMPLE = Path(__file__).resolve().parents[2] / 'deploy' / 'sample-directory'
SUFFIX = 'dc=health,dc=example'
READER, READER_PASSWORD = f'cn=bridge,ou=services,{SUFFIX}', 'Bridge-Reader-1'
ADMIN = f'cn=admin,{SUFFIX}'
DEMO_PASSWORD = 'Health-Demo-1'
PATH = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'  # slapd is in /usr/sbin, which users do not have in PATH
# LDAPCONF: the machine's own ldap.conf decides nothing here. (LDAPNOINIT would switch off LDAPTLS_CACERT as well.)
ENVIRONMENT = {**os.environ, 'PATH': PATH, 'LDAPCONF': '/dev/null', 'LDAPRC': '/dev/null', 'LC_ALL': 'C.UTF-8'}


def free_port(host='127.0.0.1'):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def lasting_port(host='127.0.0.1'):
    """Outside the range that outgoing connections take theirs from: free until its server starts, and while that is down."""
    for port in random.sample(range(20000, 32000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port
    raise RuntimeError('no port is free')


def refuse_taken(host, port):
    """Otherwise another server there would answer the readiness check while ours fails to start."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            raise RuntimeError(f'cannot listen on {host}:{port}: {problem.strerror}') from problem


def run(*command, **options):
    options = {'capture_output': True, 'text': True, 'timeout': 60, 'env': ENVIRONMENT, **options}
    return subprocess.run([str(c) for c in command], **options)


def must(*command, **options):
    done = run(*command, **options)
    if done.returncode != 0:
        raise RuntimeError(f'{command[0]} failed ({done.returncode}): {(done.stderr or done.stdout).strip()[-600:]}')
    return done.stdout


def parse_ldif(text):
    """Entries of `ldapsearch -LLL -o ldif-wrap=no`: a list of {attribute: [values]}, with 'dn' one of them."""
    found = []
    for block in filter(None, text.split('\n\n')):
        entry = {}
        for line in block.splitlines():
            name, colon, value = line.partition(':')
            if not colon or line.startswith('#'):  # '# refldap://...': referrals of Active Directory
                continue
            if value.startswith(':'):
                value = base64.b64decode(value[1:])
                with contextlib.suppress(UnicodeDecodeError):
                    value = value.decode()
            entry.setdefault(name, []).append(value.lstrip() if isinstance(value, str) else value)
        if 'dn' in entry:
            found.append(entry)
    return found


class Slapd:
    """One slapd. With `tls`, an Authority or True for one of its own, StartTLS and ldaps:// on `tls_port` as well;
    `directives` are more lines of slapd.conf, before the database."""

    def __init__(self, directory, port=0, tls=False, tls_port=0, people=1000, host='127.0.0.1', directives=''):
        self.directory, self.host, self.people, self.directives = Path(directory).resolve(), host, people, directives
        self.port, self.tls_port = port or free_port(host), None
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.authority = Authority(self.directory / 'tls') if tls is True else tls or None
        if self.authority:
            self.tls_port = tls_port or free_port(host)
        self.process = None
        self._log = self.directory / 'slapd.log'
        self._conf = self.directory / 'slapd.conf'

    @property
    def url(self):
        return f'ldap://{self.host}:{self.port}'

    @property
    def tls_url(self):
        return f'ldaps://{self.host}:{self.tls_port}' if self.tls_port else None

    @property
    def ca_file(self):
        return self.authority.ca if self.authority else None

    @property
    def admin_password(self):
        """Of cn=admin: random, made once, readable by the owner only."""
        file = self.directory / 'admin.password'
        if not file.exists():
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'w') as out:
                out.write(secrets.token_urlsafe(18))
        return file.read_text()

    def _configure(self):
        lines = ''
        if self.authority:
            issued = self.authority.issue('slapd', ('localhost', '127.0.0.1', '127.0.0.2', '::1'))
            files = {'TLSCACertificateFile': self.authority.ca, 'TLSCertificateFile': issued.cert,
                     'TLSCertificateKeyFile': issued.key}
            lines = ''.join(f'{directive} "{file}"\n' for directive, file in files.items())
        text = (SAMPLE / 'slapd.conf.in').read_text()
        text = text.replace('@TLS@', lines + self.directives).replace('@ADMIN_PASSWORD@', self.admin_password)
        with open(os.open(self._conf, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as out:
            out.write(text)

    def _load(self, ldif):
        """slapadd into a fresh database; the marker comes last, so a load that was cut short is done again."""
        loaded, database = self.directory / 'loaded', self.directory / 'db'
        if loaded.exists():
            return
        shutil.rmtree(database, ignore_errors=True)
        database.mkdir(mode=0o700)
        if ldif is None:
            ldif = must('/usr/bin/python3', SAMPLE / 'generate.py', '--ordinary', self.people)
        must('slapadd', '-q', '-f', self._conf.name, input=ldif, cwd=self.directory)
        loaded.touch()

    def start(self, ldif=None, timeout=15):
        """Load when new, start, return when a bind is answered. A taken port or a bad configuration raises at once."""
        for port in filter(None, (self.port, self.tls_port)):
            refuse_taken(self.host, port)
        self._configure()
        self._load(ldif)
        urls = ' '.join(filter(None, (self.url, self.tls_url)))
        with open(self._log, 'ab') as log:
            # setpriv: should the thread that starts it be killed or end, slapd goes with it and leaves no port behind.
            self.process = subprocess.Popen(
                ['setpriv', '--pdeathsig', 'KILL', 'slapd', '-d', 'none', '-f', self._conf.name, '-h', urls],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT, cwd=self.directory)
        try:
            self._wait(time.monotonic() + timeout)
        except BaseException:
            self.stop()
            raise
        return self

    def _wait(self, deadline):
        while self.bind(READER, READER_PASSWORD).returncode != 0:
            if self.process.poll() is not None:
                tail = self._log.read_text(errors='replace')[-600:]
                raise RuntimeError(f'slapd on {self.url} ended at once: {tail}')
            if time.monotonic() > deadline:
                raise RuntimeError(f'slapd on {self.url} does not answer')
            time.sleep(0.02)

    def stop(self):
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)  # a paused server would not see SIGTERM
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process = None

    def kill(self):
        """As if the machine lost power: connections are refused from now on."""
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def pause(self):
        """As if the server hung: connections are accepted by the kernel and nothing answers."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def copy(self, directory, **options):
        """A second server with the same entries, entryUUIDs and authority, for failover; this one may be running."""
        second = Slapd(directory, **{'tls': self.authority or False, 'host': self.host, **options})
        return second.start(ldif=must('slapcat', '-f', self._conf.name, cwd=self.directory))

    def client(self, tool, *arguments, dn=ADMIN, password=None, url=None, **options):
        """Run an ldap-utils program against this server. The password goes through a pipe, never through ps(1)."""
        secret, give = os.pipe()
        os.write(give, (self.admin_password if password is None else password).encode())
        os.close(give)
        environment = {**ENVIRONMENT, **({'LDAPTLS_CACERT': str(self.ca_file)} if self.ca_file else {})}
        try:
            return run(tool, '-x', '-H', url or self.url, '-D', dn, '-y', f'/dev/fd/{secret}', '-o', 'nettimeout=5',
                       *arguments, pass_fds=[secret], env=environment, **options)
        finally:
            os.close(secret)

    def bind(self, dn, password, *arguments):
        return self.client('ldapwhoami', *arguments, dn=dn, password=password)

    def search(self, filter_='(objectClass=*)', *attributes, base=SUFFIX, scope='sub', dn=READER,
               password=READER_PASSWORD):
        """As the account the bridge uses, unless told otherwise. Operational attributes must be named."""
        done = self.client('ldapsearch', '-LLL', '-o', 'ldif-wrap=no', '-s', scope, '-b', base, filter_, *attributes,
                           dn=dn, password=password)
        return parse_ldif(done.stdout)

    def modify(self, ldif):
        """Change entries as administrator: a person is disabled, a group gains a member, while the bridge runs."""
        done = self.client('ldapmodify', input=ldif)
        if done.returncode != 0:
            raise RuntimeError(f'ldapmodify: {done.stderr.strip()}')

    __enter__, close = start, stop

    def __exit__(self, *_):
        self.stop()


def serve(options):
    """The demo's foreground: announce, wait for a signal or for slapd to end by itself, stop cleanly."""
    ended = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda caught, _: ended.append(caught))
    server = Slapd(options.dir, options.port, tls=options.tls_port is not None, tls_port=options.tls_port or 0,
                   people=options.people, host=options.host)
    try:
        server.start()
    except (RuntimeError, OSError) as problem:
        print(f'slapd.py: {problem}', file=sys.stderr)
        return 1
    lines = [server.url, server.tls_url or '', str(server.ca_file or '')]
    if options.ready_file:
        options.ready_file.write_text('\n'.join(lines) + '\n')
    while not ended and server.process.poll() is None:
        time.sleep(0.1)
    if options.ready_file:
        options.ready_file.unlink(missing_ok=True)
    if not ended:
        print('slapd.py: slapd ended by itself', file=sys.stderr)
    server.stop()
    return 0 if ended else 1


def main():
    parser = argparse.ArgumentParser(description='Run slapd with the sample ministry in the foreground.')
    parser.add_argument('--dir', type=Path, required=True, help='where configuration, database and certificates live')
    parser.add_argument('--port', type=int, required=True)
    parser.add_argument('--tls-port', type=int, help='also offer ldaps:// here, and StartTLS; the CA is DIR/tls/ca.pem')
    parser.add_argument('--host', default='127.0.0.1')
    parser.add_argument('--people', type=int, default=1000, help='ordinary people, beside the special ones')
    parser.add_argument('--ready-file', type=Path, help='written when it answers: ldap URL, ldaps URL, CA file')
    return serve(parser.parse_args())


if __name__ == '__main__':
    sys.exit(main())
