"""Does the same table of people give the same account status on OpenLDAP, Samba AD and 389-ds?

test/support/account_table.py is the table. Everything is read from live servers through broker/directory, by login name, by
key, by claim and by bind (test/unit/directory/test_people.c asks), and through the product by `idbridge directory show`.
"""

import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'test' / 'support'))
import account_table  # noqa: E402
import ds389  # noqa: E402
import rooted  # noqa: E402
import samba_ad  # noqa: E402
from account_table import KINDS, PASSWORD, Cannot, Way, rows  # noqa: E402
from slapd import READER, READER_PASSWORD, SUFFIX, Slapd, must  # noqa: E402

PROGRAMS = Path(os.environ.get('IDBRIDGE_UNIT_PROGRAMS', ROOT / 'build/asan/test/unit'))
CACHE = ROOT / 'build/testcache'
COMMON = {'bind_password_file': 'password', 'network_timeout': '2s', 'search_timeout': '2s',
          'claim_filter': '(employeeNumber={claim.employee_number})'}
MODIFY = {'openldap': lambda login: f'uid={login},ou=people,{SUFFIX}', 'ad': samba_ad.person_dn, '389ds': ds389.person_dn}


def slapd_entries():
    yield must('/usr/bin/python3', ROOT / 'deploy/sample-directory/generate.py', '--ordinary', '150')
    for login, more in account_table.persons('openldap').items():
        yield (f'dn: uid={login},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {login}\ncn: {login}\nsn: {login}\n'
               f'userPassword: {PASSWORD}\n' + ''.join(f'{k}: {v}\n' for k, v in more.items()))


def start_openldap(folder):
    server = Slapd(folder / 'slapd', tls=True, people=150).start(ldif='\n'.join(slapd_entries()))
    return server, {'bind_dn': READER, 'people_base': f'ou=people,{SUFFIX}', 'groups_base': f'ou=groups,{SUFFIX}',
                    'password_max_age': '90d'}, READER_PASSWORD


def start_ad(folder):
    server = samba_ad.SambaAd(folder / 'ad', CACHE).start()
    return server, {'bind_dn': samba_ad.READER, 'people_base': samba_ad.PEOPLE, 'groups_base': samba_ad.BASE}, samba_ad.READER_PASSWORD


def start_389ds(folder):
    server = ds389.Ds389(folder / 'ds', CACHE).start()
    return server, {'bind_dn': ds389.ADMIN, 'people_base': ds389.PEOPLE, 'groups_base': f'ou=groups,{ds389.SUFFIX}'}, ds389.ADMIN_PASSWORD


START = {'openldap': start_openldap, 'ad': start_ad, '389ds': start_389ds}


class Asked:
    """One server with the table in it, and a program that puts questions to broker/directory."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, folder
        self.server, keys, password = START[kind](folder)
        self.keys = {'type': kind, 'urls': self.server.tls_url, 'ca_file': self.server.ca_file, **COMMON, **keys}
        self.secret = folder / 'password'
        self.secret.write_text(password + '\n')
        self.file = folder / 'idbridge.ini'
        self.file.write_text('[directory staff]\n' + ''.join(f'{k} = {v}\n' for k, v in self.keys.items()))
        self.program = None

    def ask(self, *words):
        if self.program is None:
            self.program = subprocess.Popen(['timeout', '120', str(PROGRAMS / 'directory/test_people')], stdin=subprocess.PIPE,
                                            env={**os.environ, 'IDBRIDGE_LIVE_CONFIG': str(self.file)}, text=True,
                                            stdout=subprocess.PIPE, stderr=open(self.folder / 'stderr', 'w'))
        self.program.stdin.write(' '.join(words) + '\n')
        self.program.stdin.flush()
        for line in self.program.stdout:  # between cmocka's own
            if line.startswith('= '):
                return line[2:].strip()
        raise AssertionError((self.folder / 'stderr').read_text())

    def end(self):
        """The program must end well: with ASan that says that nothing leaked."""
        try:
            if self.program is not None:
                self.program.stdin.close()
                assert self.program.wait(60) == 0, (self.folder / 'stderr').read_text()
        finally:
            self.server.stop()


@pytest.fixture(scope='module', params=KINDS)
def asked(request):
    with tempfile.TemporaryDirectory(prefix='idb', dir='/tmp') as folder:  # short: paths of sockets
        try:
            one = Asked(request.param, Path(folder))
        except rooted.Unavailable as reason:
            pytest.skip(f'NO TESTS ON {request.param.upper()}: {reason}')
        yield one
        one.end()


def cells(kind_of_cell):
    return [(status, login) for status, login in account_table.TABLE
            if any(isinstance(way, kind_of_cell) for way in account_table.TABLE[status, login])]


def cell(asked, status, login, kind_of_cell):
    way = account_table.TABLE[status, login][KINDS.index(asked.kind)]
    return way if isinstance(way, kind_of_cell) else None


@pytest.mark.parametrize('status, login', cells(Way))
def test_status_as_read_and_as_bound(asked, status, login):
    way = cell(asked, status, login, Way)
    if way is None:
        assert asked.ask('look', login) == 'unknown'  # the row is a Cannot: nobody of that name is there
        return
    assert asked.ask('look', login) == status
    assert asked.ask('bind', login, PASSWORD) == way.bind
    assert asked.ask('bind', login, 'not-this') == way.wrong
    assert asked.ask('look', login) == status


@pytest.mark.parametrize('status, login', cells(Cannot))
def test_what_a_server_cannot_express(asked, status, login):
    cannot = cell(asked, status, login, Cannot)
    if cannot is None:
        assert asked.ask('look', login) == status
        return
    dn = MODIFY[asked.kind]('normal')
    lines = ''.join(f'replace: {k}\n' + (f'{k}:: {base64.b64encode(v).decode()}\n' if isinstance(v, bytes) else f'{k}: {v}\n')
                    for k, v in cannot.attempt.items())
    done = asked.server.client('ldapmodify', input=f'dn: {dn}\nchangetype: modify\n{lines}')
    if cannot.instead:
        assert done.returncode == 0 and asked.ask('look', 'normal') == cannot.instead != status, (cannot.reason, done.stderr)
        undo = ''.join(f'replace: {k}\n{k}: 0\n' for k in cannot.attempt)
        assert asked.server.client('ldapmodify', input=f'dn: {dn}\nchangetype: modify\n{undo}').returncode == 0
    else:
        assert done.returncode != 0 and 'ldap_modify' in done.stderr, (cannot.reason, done.stderr)
    assert asked.ask('look', 'normal') == 'ok'


def test_nobody_and_two(asked):
    assert asked.ask('look', 'nobody') == 'unknown'
    assert asked.ask('look', '*') == 'unknown'
    number = next(iter(account_table.TWINS.values()))
    assert asked.ask('claims', number) == 'ambiguous'
    assert [asked.ask('look', login) for login in account_table.TWINS] == ['ok', 'ok']


def test_every_status_is_in_the_table():
    words = (ROOT / 'broker/directory/status.c').read_text().split('status_names[] = {')[1].split('};')[0]
    named = {line.split('"')[1] for line in words.splitlines() if '"' in line}
    assert named == {s for s, _ in account_table.TABLE} | {'unknown', 'ambiguous', 'unreachable', 'wrong_password'}


def test_unreachable_while_it_hangs_and_when_it_is_gone(asked):
    assert asked.ask('look', 'normal') == 'ok'
    asked.server.pause()
    try:
        assert asked.ask('look', 'normal').startswith('unreachable (')
    finally:
        asked.server.resume()
    for _ in range(20):
        back = asked.ask('look', 'normal')
        if back == 'ok':
            break
    assert back == 'ok'
    asked.server.kill()
    for what in (('look', 'normal'), ('claims', '900100'), ('bind', 'normal', PASSWORD)):
        assert asked.ask(*what).startswith('unreachable (')
