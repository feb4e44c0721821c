#!/usr/bin/python3
"""How do tests get a real Active Directory domain controller, with one person for each account state?

Samba's AD DC, its LDAP service alone, on a loopback address of its own: its ports 389 and 636 cannot be changed, and
binding them takes root: `SambaAd`, used by pytest fixtures, runs this file as root (rooted.py says how, and how it ends).

Provisioning takes five seconds and is kept in DIR (build/testcache) per Samba version; a start from there half a second.
A second SambaAd has the same objectGUIDs and another address: a replica, as far as failover is concerned.
What the server answers for each state: test_directories.py. Source: MS-ADTS, and runs against Samba 4.17.
"""

import argparse
import base64
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
sys.path.insert(0, str(SUPPORT))
import account_table  # noqa: E402
from rooted import Rooted, Unavailable, from_cache, obey, report  # noqa: E402
from slapd import ENVIRONMENT, must, parse_ldif, run  # noqa: E402
from tls import Authority  # noqa: E402

BASE, REALM = 'DC=ad,DC=test', 'AD.TEST'
PEOPLE, GROUPS = f'OU=People,{BASE}', f'OU=Groups,{BASE}'
ADMIN, ADMIN_PASSWORD = 'administrator@ad.test', 'Adm1n-Pass!'
READER, READER_PASSWORD = 'bridge@ad.test', 'Read3r-Pass!'
PASSWORD, IN_2020 = account_table.PASSWORD, account_table.LONG_AGO_FILETIME
CACHE_DAYS = 20  # the ordinary users' password age counts from when the cache was made, and maxPwdAge is 42 days
PORTS = (389, 636, 3268, 3269)
SERVICES = 'epmapper, samr, lsarpc, netlogon, drsuapi, dssetup, unixinfo'

# sAMAccountName -> attributes beyond the ordinary. 512 is a normal account, +2 disabled, +65536 password never expires.
PERSONS = {
    **account_table.persons('ad'),
    'never': {'userAccountControl': '66048'},
    'comma': {'cn': 'Banda, Ruth (R1) #7'},
    'sinhala': {'cn': 'නිමල් පෙරේරා', 'givenName': 'නිමල්', 'sn': 'පෙරේරා'},
    'nogroup': {},
}
NESTED = {'hiv-r1-d1': [n for n in PERSONS if n != 'nogroup'], 'hiv-r1': [], 'hiv': []}  # each is inside the next
DOMAIN_POLICY = {'lockoutThreshold': '3', 'lockoutDuration': '-18000000000', 'lockOutObservationWindow': '-18000000000',
                 'maxPwdAge': '-36288000000000', 'minPwdAge': '0'}
OLD_PASSWORD = f'dn: CN=oldpassword,{PEOPLE}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: {IN_2020}\n'
BYPASS_PASSWORD_RULES = '--controls=local_oid:1.3.6.1.4.1.7165.4.3.20:0'


# --- what is in the directory ---------------------------------------------------------------------------------------

def encoded(name, value):
    return f'{name}:: {base64.b64encode(value).decode()}'


def record(dn, classes, attributes):
    lines = [encoded('dn', dn.encode())] + [f'objectClass: {c}' for c in classes]
    lines += [encoded(name, value if isinstance(value, bytes) else value.encode())
              for name, values in attributes.items() for value in (values if isinstance(values, list) else [values])]
    return '\n'.join(lines) + '\n'


def person_dn(name):
    common_name = PERSONS.get(name, {}).get('cn', name)
    return f'CN={"".join(chr(92) + c if c in chr(34) + "+,;<>=#" else c for c in common_name)},{PEOPLE}'


def user(name, password, **more):
    """unicodePwd is the password in double quotes, UTF-16LE (MS-ADTS 3.1.1.3.1.5)."""
    return record(person_dn(name), ['user'], {
        'sAMAccountName': name, 'userPrincipalName': f'{name}@ad.test', 'mail': f'{name}@ad.test',
        'department': 'EX-R1-D1-F1', 'userAccountControl': '512', **{k: v for k, v in more.items() if k != 'cn'},
        'unicodePwd': f'"{password}"'.encode('utf-16-le')})


def entries():
    yield from (record(ou, ['organizationalUnit'], {}) for ou in (PEOPLE, GROUPS))
    yield user('bridge', READER_PASSWORD, userAccountControl='66048')
    yield from (user(name, PASSWORD, **more) for name, more in PERSONS.items())
    inner = None
    for group, names in NESTED.items():
        member = [person_dn(n) for n in names] + ([f'CN={inner},{GROUPS}'] if inner else [])
        yield record(f'CN={group},{GROUPS}', ['group'], {'sAMAccountName': group, 'member': member})
        inner = group


# --- the program that runs as root ----------------------------------------------------------------------------------

def provision(dc):
    """A new domain in this folder, with its people, never started yet."""
    folder = dc.parent
    options = {'interfaces': '127.0.0.1/8', 'bind interfaces only': 'yes', 'server services': 'ldap',
               'dcerpc endpoint servers': SERVICES, 'pid directory': dc / 'run', 'ncalrpc dir': dc / 'run/nc',
               'winbindd socket directory': dc / 'run/wb', 'ntp signd socket directory': dc / 'run/ntp',
               'log file': dc / 'run/log.%m', 'tls keyfile': folder / 'tls/dc.key',
               'tls certfile': folder / 'tls/dc.pem', 'tls cafile': folder / 'tls/ca.pem'}
    must('samba-tool', 'domain', 'provision', f'--realm={REALM}', '--domain=ADTEST', '--server-role=dc',
         '--dns-backend=SAMBA_INTERNAL', f'--adminpass={ADMIN_PASSWORD}', '--host-name=dc1', '--host-ip=127.0.0.1',
         f'--targetdir={dc}', *(f'--option={k}={v}' for k, v in options.items()), timeout=120)
    (dc / 'run').mkdir(exist_ok=True)
    database = ['-H', dc / 'private/sam.ldb', f'--configfile={dc}/etc/smb.conf']
    policy = ''.join(f'replace: {k}\n{k}: {v}\n-\n' for k, v in DOMAIN_POLICY.items())
    must('ldbmodify', *database, input=f'dn: {BASE}\nchangetype: modify\n{policy}')
    must('ldbadd', *database, input='\n'.join(entries()))
    must('ldbmodify', *database, BYPASS_PASSWORD_RULES, input=OLD_PASSWORD)
    (dc / 'made-in').write_text(str(folder))


def free_address():
    """A loopback address where nobody has the LDAP ports: slapd on 127.0.0.1 and other runs stay undisturbed."""
    for _ in range(50):
        host = f'127.{random.randrange(2, 255)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}'
        try:
            for port in PORTS:
                with socket.socket() as probe:
                    probe.bind((host, port))
            return host
        except PermissionError as problem:
            raise Unavailable('no permission to bind port 389') from problem
        except OSError:
            continue
    raise Unavailable('no loopback address has ports 389 and 636 free')


def search(host, ca, dn, password):
    return run('ldapsearch', '-LLL', '-x', '-H', f'ldaps://{host}', '-D', dn, '-w', password, '-s', 'base', '-b', BASE,
               'dn', '-o', 'nettimeout=5', env={**ENVIRONMENT, 'LDAPTLS_CACERT': str(ca)}).returncode


def launch(folder, host):
    authority = Authority(folder / 'tls', 'idbridge test AD CA')
    authority.issue('dc', ('dc1.ad.test', host))
    conf = folder / 'dc/etc/smb.conf'
    text = conf.read_text().replace((folder / 'dc/made-in').read_text(), str(folder))
    conf.write_text(text.replace('127.0.0.1/8', f'{host}/8'))
    # Standard input is a pipe that we hold: samba ends when it sees end of file there, so it cannot outlive us.
    with open(folder / 'samba.log', 'wb') as log:
        samba = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', 'samba', '-i', '-M', 'single', f'--configfile={conf}',
                                  '--debug-stdout'], stdin=subprocess.PIPE, stdout=log, stderr=log, env=ENVIRONMENT)
    deadline = time.monotonic() + 30
    while search(host, authority.ca, ADMIN, ADMIN_PASSWORD) != 0:
        if samba.poll() is not None or time.monotonic() > deadline:
            samba.kill()
            raise RuntimeError('samba does not answer: ' + (folder / 'samba.log').read_text(errors='replace')[-800:])
        time.sleep(0.05)
    for _ in range(3):
        search(host, authority.ca, 'lockedout@ad.test', 'wrong')
    return samba, authority.ca


def serve(cache):
    folder = Path(tempfile.mkdtemp(prefix='ad', dir='/tmp'))  # short: samba's sockets must fit 107 bytes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    samba = None
    try:
        host = free_address()
        from_cache(cache, 'samba-ad-dc', (__file__, SUPPORT / 'account_table.py'), folder / 'dc', provision, CACHE_DAYS)
        samba, ca = launch(folder, host)
        report(host=host, ca=ca.read_text())
        obey(samba)
    except Unavailable as problem:
        report(unavailable=str(problem))
    except (RuntimeError, OSError, subprocess.SubprocessError) as problem:
        report(error=str(problem))
    finally:
        if samba:
            samba.kill()
            samba.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


# --- what tests use -------------------------------------------------------------------------------------------------

class SambaAd(Rooted):
    """One domain controller."""

    program, why = Path(__file__).resolve(), 'the Active Directory tests, for ports 389 and 636,'

    @property
    def host(self):
        return self.answer['host']

    @property
    def tls_url(self):
        return f'ldaps://{self.host}'

    @property
    def url(self):
        """For StartTLS: a bind without it is answered with 8, strongAuthRequired."""
        return f'ldap://{self.host}'

    def client(self, tool, *arguments, dn=ADMIN, password=ADMIN_PASSWORD, url=None, **options):
        """Run an ldap-utils program against the domain controller, over ldaps unless told otherwise."""
        return run(tool, '-x', '-H', url or self.tls_url, '-D', dn, '-w', password, '-o', 'nettimeout=5', *arguments,
                   env={**ENVIRONMENT, 'LDAPTLS_CACERT': str(self.ca_file)}, **options)

    def search(self, filter_='(objectClass=*)', *attributes, base=BASE, scope='sub'):
        return parse_ldif(self.client('ldapsearch', '-LLL', '-o', 'ldif-wrap=no', '-s', scope, '-b', base, filter_,
                                      *attributes).stdout)

    def bind(self, name, password):
        """Samba has no whoami: a base search shows whether the bind worked."""
        return self.client('ldapsearch', '-LLL', '-s', 'base', '-b', BASE, 'dn', dn=name, password=password)


def main():
    parser = argparse.ArgumentParser(description='Run a Samba AD DC until standard input ends. Needs root.')
    parser.add_argument('--cache', type=Path, required=True)
    serve(parser.parse_args().cache)


if __name__ == '__main__':
    main()
