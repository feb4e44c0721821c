"""The three kinds of directory server with the table of people (account_table.py) in each: how they are started, what a
[directory] of the bridge needs to read them, and how a person is changed there while it runs. Used by test_people.py and
test_status_followed.py in test/flow."""

import base64
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'test' / 'support'))
import account_table  # noqa: E402
import ds389  # noqa: E402
import samba_ad  # noqa: E402
from account_table import PASSWORD  # noqa: E402
from slapd import READER, READER_PASSWORD, SUFFIX, Slapd, must  # noqa: E402

CACHE = ROOT / 'build/testcache'


def slapd_dn(login):
    return f'uid={login},ou=people,{SUFFIX}'


def slapd_entries():
    yield must('/usr/bin/python3', ROOT / 'deploy/sample-directory/generate.py', '--ordinary', '150')
    for login, more in account_table.persons('openldap').items():
        yield (f'dn: {slapd_dn(login)}\nobjectClass: inetOrgPerson\nuid: {login}\ncn: {login}\nsn: {login}\n'
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
DN = {'Slapd': slapd_dn, 'SambaAd': samba_ad.person_dn, 'Ds389': ds389.person_dn}


def start(kind, folder):
    """(server, keys of a [directory], password of its bind_dn). Raises rooted.Unavailable."""
    server, keys, password = START[kind](folder)
    return server, {'type': kind, 'urls': server.tls_url, 'ca_file': server.ca_file, **keys}, password


def modification(name, value):
    """None takes the attribute away."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    lines = ''.join(f'{name}:: {base64.b64encode(v if isinstance(v, bytes) else v.encode()).decode()}\n' for v in values)
    return f'replace: {name}\n{lines}-\n'


def dn(server, login):
    return DN[type(server).__name__](login)


def change(server, login, attributes):
    """What ldapmodify as administrator says to it; by slapd attributes of its own take the Relax control."""
    lines = ''.join(modification(*pair) for pair in attributes.items())
    relax = ['-e', 'relax'] if isinstance(server, Slapd) else []
    return server.client('ldapmodify', *relax, input=f'dn: {dn(server, login)}\nchangetype: modify\n{lines}')
