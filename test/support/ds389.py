#!/usr/bin/python3
"""How do tests get a real 389 Directory Server, with a person for each account state and nested groups?

`Ds389`, used by pytest fixtures, runs this file as root (rooted.py says how, and how it ends). The server lives in mount and
process namespaces of its own, all its files in a tmpfs there: plain dscreate writes to /etc, /var and /dev/shm and calls
systemctl, here a PREFIX with a defaults.inf of its own keeps everything in one folder that vanishes with the last process.
Making an instance takes ten seconds and is kept in DIR (build/testcache) per version; a start from there takes one.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
sys.path.insert(0, str(SUPPORT))
import account_table  # noqa: E402
from rooted import Rooted, Unavailable, from_cache, obey, report  # noqa: E402, F401
from slapd import ENVIRONMENT, free_port, must, run  # noqa: E402
from tls import Authority  # noqa: E402

SUFFIX, ADMIN, ADMIN_PASSWORD = 'dc=example,dc=org', 'cn=Directory Manager', 'Adm1n-Pass!'
PEOPLE, PASSWORD = f'ou=people,{SUFFIX}', account_table.PASSWORD
INSTANCE, CACHE_DAYS = 't1', 300
ROOT = Path('/run/idbridge-ds389')  # in a /run of its own: the same path each time, so the archive fits as it is
CONF = ROOT / f'etc/dirsrv/slapd-{INSTANCE}'
SYSTEM_INF = Path('/usr/share/dirsrv/inf/defaults.inf')
PERSONS = {**account_table.persons('389ds'), 'nogroup': {}}
CONFIG = {
    'cn=config': {'nsslapd-listenhost': '127.0.0.1', 'nsslapd-securelistenhost': '127.0.0.1', 'nsslapd-security': 'on',
                  'passwordLockout': 'on', 'passwordMaxFailure': '3', 'passwordLockoutDuration': '1800', 'passwordExp': 'on'},
    'cn=RSA,cn=encryption,cn=config': {'nsSSLPersonalitySSL': 'Server-Cert', 'nsSSLActivation': 'on',
                                       'nsSSLToken': 'internal (software)'},
    'cn=MemberOf Plugin,cn=plugins,cn=config': {'nsslapd-pluginEnabled': 'on', 'memberOfAutoAddOC': 'inetUser'}}


def person_dn(login):
    return f'uid={login},{PEOPLE}'


def entries():
    yield from (f'dn: ou={ou},{SUFFIX}\nobjectClass: organizationalUnit\nou: {ou}\n' for ou in ('people', 'groups'))
    for name, more in PERSONS.items():
        attributes = {'passwordExpirationTime': account_table.FAR_AHEAD, **more}
        shadow = 'objectClass: shadowAccount\n' if 'shadowExpire' in more else ''
        yield (f'dn: {person_dn(name)}\nobjectClass: inetOrgPerson\n{shadow}uid: {name}\ncn: {name}\nsn: {name}\n'
               f'mail: {name}@example.org\nuserPassword: {PASSWORD}\n' + ''.join(f'{k}: {v}\n' for k, v in attributes.items()))
    inner = person_dn('normal')
    for group in ('inner', 'middle', 'outer'):
        yield f'dn: cn={group},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: {group}\nmember: {inner}\n'
        inner = f'cn={group},ou=groups,{SUFFIX}'


# --- the program that runs as root, in its namespaces ---------------------------------------------------------------

def prefix():
    for folder in ('share/dirsrv/inf', 'etc/dirsrv', 'etc/default', 'tmp', 'run/lock', 'run/dirsrv', 'var', 'dev/shm'):
        (ROOT / folder).mkdir(parents=True)
    for part in ('config', 'schema'):
        shutil.copytree(f'/etc/dirsrv/{part}', ROOT / 'etc/dirsrv' / part)
    for part in ('data', 'schema'):
        (ROOT / 'share/dirsrv' / part).symlink_to(f'/usr/share/dirsrv/{part}')
    text = re.sub(r'= /(etc|var|run|tmp|dev)\b', rf'= {ROOT}/\1', SYSTEM_INF.read_text())
    for key, value in {'prefix': ROOT, 'with_systemd': 0, 'user': 'root', 'group': 'root'}.items():
        text = re.sub(rf'^{key} = .*', f'{key} = {value}', text, flags=re.M)
    (ROOT / 'share/dirsrv/inf/defaults.inf').write_text(text)


def certificate():
    authority = Authority(ROOT / 'tls', 'idbridge test 389-ds CA')
    issued = authority.issue('ds', ('localhost', '127.0.0.1'))
    bundle, database = ROOT / 'tls/ds.p12', ['-d', f'sql:{CONF}']
    must('openssl', 'pkcs12', '-export', '-inkey', issued.key, '-in', issued.cert, '-name', 'Server-Cert', '-passout', 'pass:',
         '-out', bundle)
    must('pk12util', '-i', bundle, *database, '-k', CONF / 'pwdfile.txt', '-W', '')
    must('certutil', '-A', *database, '-f', CONF / 'pwdfile.txt', '-n', 'testca', '-t', 'CT,,', '-a', '-i', authority.ca)


def change(dn, **attributes):
    return f'dn: {dn}\nchangetype: modify\n' + ''.join(f'replace: {k}\n{k}: {v}\n-\n' for k, v in attributes.items()) + '\n'


def client(tool, port, **options):
    return must(tool, '-x', '-H', f'ldap://127.0.0.1:{port}', '-D', ADMIN, '-w', ADMIN_PASSWORD, **options)


def make(_):
    """A new instance with its people, stopped."""
    port = free_port()
    prefix()
    answers = {'general': {'config_version': 2, 'full_machine_name': 'localhost', 'strict_host_checking': False,
                           'selinux': False, 'systemd': False, 'start': True},
               'slapd': {'instance_name': INSTANCE, 'root_dn': ADMIN, 'root_password': ADMIN_PASSWORD, 'port': port,
                         'self_sign_cert': False, 'user': 'root', 'group': 'root'},
               'backend-userroot': {'suffix': SUFFIX, 'create_suffix_entry': True, 'sample_entries': 'no'}}
    file, environment = ROOT / 'ds.inf', {**ENVIRONMENT, 'PREFIX': str(ROOT)}
    file.write_text(''.join(f'[{section}]\n' + ''.join(f'{k} = {v}\n' for k, v in keys.items())
                            for section, keys in answers.items()))
    must('dscreate', 'from-file', file, timeout=90, env=environment)
    certificate()
    client('ldapmodify', port, input=''.join(change(dn, **keys) for dn, keys in CONFIG.items()))
    must('dsctl', INSTANCE, 'stop', timeout=60, env=environment)  # plugin and TLS work after a restart
    server, port, _ = launch()
    client('ldapadd', port, input='\n'.join(entries()))
    client('ldapmodify', port, input=change('cn=config', passwordMustChange='on') +
           change(person_dn('mustchange'), userPassword=PASSWORD))
    server.terminate()
    server.wait(60)
    for socket in (ROOT / 'run').glob('*.socket'):
        socket.unlink()


def launch():
    ports = {'nsslapd-port': free_port(), 'nsslapd-securePort': free_port()}
    text = (CONF / 'dse.ldif').read_text()
    for key, port in ports.items():
        text = re.sub(rf'^{key}: .*\n', '', text, flags=re.M | re.I)
        text = re.sub(r'^(dn: cn=config\n)', rf'\1{key}: {port}\n', text, flags=re.M)
    (CONF / 'dse.ldif').write_text(text)
    port, tls_port = ports.values()
    server = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', 'ns-slapd', '-D', CONF, '-i', ROOT / 'run/dirsrv/pid', '-d', '0'],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    deadline = time.monotonic() + 60
    while run('ldapsearch', '-x', '-H', f'ldap://127.0.0.1:{port}', '-s', 'base', '-b', '', '1.1').returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError('ns-slapd does not answer')
        time.sleep(0.05)
    return server, port, tls_port


def serve(cache):
    """When this ends, so does process 1 of the namespace, all the rest of it, and the tmpfs."""
    for place in ('/dev/shm', '/run'):
        must('mount', '-t', 'tmpfs', '-o', 'mode=755', 'idbridge-ds389', place)
    try:
        from_cache(cache, '389-ds-base', (__file__, SUPPORT / 'account_table.py'), ROOT, make, CACHE_DAYS)
        server, port, tls_port = launch()
        for _ in range(3):
            run('ldapwhoami', '-x', '-H', f'ldap://127.0.0.1:{port}', '-D', person_dn('lockedout'), '-w', 'wrong')
        report(port=port, tls_port=tls_port, ca=(ROOT / 'tls/ca.pem').read_text())
        obey(server)
    except (RuntimeError, OSError, subprocess.SubprocessError) as problem:
        report(error=str(problem))


def isolate(cache):
    """Anew in namespaces; --kill-child: killing unshare(1) kills what is in them."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    namespaces = ['unshare', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child']
    tried = run(*namespaces, 'true')
    if tried.returncode != 0:
        return report(unavailable=f'389-ds tests need mount and process namespaces: {tried.stderr.strip()}')
    # sh is process 1 there and reaps what daemonised: dscreate waits until an ns-slapd that it stopped is gone
    os.execvp(namespaces[0], [*namespaces, 'sh', '-c', '"$@"; exit $?', 'sh', '/usr/bin/python3', '-B', __file__, '--inside',
                              '--cache', str(cache)])


# --- what tests use -------------------------------------------------------------------------------------------------

class Ds389(Rooted):
    """One instance on 127.0.0.1: plain LDAP, StartTLS and ldaps."""

    program, why = Path(__file__).resolve(), '389-ds tests'

    @property
    def url(self):
        return f'ldap://127.0.0.1:{self.answer["port"]}'

    @property
    def tls_url(self):
        return f'ldaps://127.0.0.1:{self.answer["tls_port"]}'

    def _command(self):
        if not SYSTEM_INF.exists():
            raise Unavailable('389-ds tests need the package 389-ds-base')
        return super()._command()

    def client(self, tool, *arguments, **options):
        return run(tool, '-x', '-H', self.url, '-D', ADMIN, '-w', ADMIN_PASSWORD, *arguments, **options)


def main():
    parser = argparse.ArgumentParser(description='Run 389-ds until standard input ends. Needs root.')
    parser.add_argument('--cache', type=Path, required=True)
    parser.add_argument('--inside', action='store_true', help='it is in its namespaces already')
    options = parser.parse_args()
    (serve if options.inside else isolate)(options.cache)


if __name__ == '__main__':
    main()
