"""Does the same table of people give the same account status on OpenLDAP, Samba AD and 389-ds?

test/support/account_table.py is the table. Everything is read from live servers through broker/directory, by login name, by
key, by claim and by bind (asked.py).
"""

import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'test' / 'support'))
import account_servers  # noqa: E402
import account_table  # noqa: E402
import rooted  # noqa: E402
from asked import Asked  # noqa: E402
from flow_kit import wait_until  # noqa: E402
from account_table import KINDS, LONG_AGO, LONG_AGO_FILETIME, PASSWORD, Cannot, Way, rows  # noqa: E402

class Server:
    """One server with the table in it, and a program that puts questions to broker/directory."""

    def __init__(self, kind, folder):
        self.kind, (self.server, keys, password) = kind, account_servers.start(kind, folder)
        self.directory = Asked(folder, password, claim_filter='(employeeNumber={claim.employee_number})', **keys)

    def look(self, login):
        """The status as read by login name, and by key the same; what went wrong where there is none."""
        said = self.directory.login(login)
        if said.get('key'):
            again = self.directory.key(said['key'])
            assert [again[k] for k in ('status', 'dn', 'key')] == [said[k] for k in ('status', 'dn', 'key')]
        assert (said['result'] == 'ok') == (said['status'] != 'unreachable'), said
        return said['status']

    def bind(self, login, password):
        said = self.directory.bind(login, password)
        assert (said['result'] == 'ok') == (said['status'] != 'unreachable'), said
        return said['status']

    def claims(self, number):
        return self.directory.claims({'employee_number': number})['status']


@pytest.fixture(scope='module', params=KINDS)
def asked(request):
    with tempfile.TemporaryDirectory(prefix='idb', dir='/tmp') as folder:  # short: paths of sockets
        try:
            one = Server(request.param, Path(folder))
        except rooted.Unavailable as reason:
            pytest.skip(f'NO TESTS ON {request.param.upper()}: {reason}')
        try:
            with one.directory:
                yield one
        finally:
            one.server.stop()


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
        assert asked.look(login) == 'unknown'  # the row is a Cannot: nobody of that name is there
        return
    assert asked.look(login) == status
    assert asked.bind(login, PASSWORD) == way.bind
    assert asked.bind(login, 'not-this') == way.wrong
    assert asked.look(login) == status


@pytest.mark.parametrize('status, login', cells(Cannot))
def test_what_a_server_cannot_express(asked, status, login):
    cannot = cell(asked, status, login, Cannot)
    if cannot is None:
        assert asked.look(login) == status
        return
    done = account_servers.change(asked.server, 'normal', cannot.attempt)
    if cannot.instead:
        assert done.returncode == 0 and asked.look('normal') == cannot.instead != status, (cannot.reason, done.stderr)
        assert account_servers.change(asked.server, 'normal', dict.fromkeys(cannot.attempt, '0')).returncode == 0
    else:
        assert done.returncode != 0 and 'ldap_modify' in done.stderr, (cannot.reason, done.stderr)
    assert asked.look('normal') == 'ok'


def test_nobody_and_two(asked):
    assert asked.look('nobody') == 'unknown'
    assert asked.look('*') == 'unknown'
    number = next(iter(account_table.TWINS.values()))
    assert asked.claims(number) == 'ambiguous'
    assert [asked.look(login) for login in account_table.TWINS] == ['ok', 'ok']


def test_an_entry_that_went_away_since_the_search_is_a_wrong_password(asked):
    gone = account_servers.dn(asked.server, 'gone')
    assert asked.bind(gone, PASSWORD) == 'wrong_password'


OVER = {'openldap': {'pwdAccountLockedTime': LONG_AGO}, 'ad': {'lockoutTime': LONG_AGO_FILETIME}, '389ds': {'accountUnlockTime': LONG_AGO}}


def test_a_lock_by_bad_passwords_that_is_over(asked):
    """OpenLDAP notes it at the entry until the next right password; the others know when it ended."""
    done = account_servers.change(asked.server, 'normal', OVER[asked.kind])
    assert done.returncode == 0, done.stderr
    assert asked.look('normal') == ('locked_by_passwords' if asked.kind == 'openldap' else 'ok')
    assert asked.bind('normal', PASSWORD) == 'ok'
    assert asked.look('normal') == 'ok'


def test_every_status_is_in_the_table():
    words = (ROOT / 'broker/directory/status.c').read_text().split('status_names[] = {')[1].split('};')[0]
    named = {line.split('"')[1] for line in words.splitlines() if '"' in line}
    assert named == {s for s, _ in account_table.TABLE} | {'unknown', 'ambiguous', 'unreachable', 'wrong_password'}


def test_unreachable_while_it_hangs_and_when_it_is_gone(asked):
    assert asked.look('normal') == 'ok'
    asked.server.pause()
    try:
        assert asked.look('normal') == 'unreachable'
    finally:
        asked.server.resume()
    wait_until(lambda: asked.look('normal') == 'ok', 20)
    asked.server.kill()
    for what in (asked.look('normal'), asked.claims('900100'), asked.bind('normal', PASSWORD)):
        assert what == 'unreachable'
