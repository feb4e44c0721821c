"""Do the directory servers behave as the sample ministry's README and our notes on Active Directory say?

The bridge's own directory tests build on these facts; when a package update changes one, this file says which.
Also covered: what slapd.py, samba_ad.py and tls.py promise to their callers (second start, failover, hang, clean end).
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SUPPORT = Path(__file__).resolve().parent
ROOT = SUPPORT.parents[1]
SAMPLE = ROOT / 'deploy' / 'sample-directory'
sys.path[:0] = [str(SUPPORT), str(SAMPLE)]
import ds389  # noqa: E402
import generate  # noqa: E402
import sample  # noqa: E402
import samba_ad  # noqa: E402
from slapd import DEMO_PASSWORD, READER, READER_PASSWORD, SUFFIX, Slapd, must, run  # noqa: E402
from tls import Authority  # noqa: E402

PEOPLE = {row['uid']: row for row in generate.people_list(sample.special_people())}
GENERATE = ['/usr/bin/python3', SAMPLE / 'generate.py']


@pytest.fixture(scope='module')
def directory(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp('slapd dir'), tls=True) as server:
        yield server


def one(entries):
    assert len(entries) == 1
    return entries[0]


def person(server, uid, *attributes):
    return one(server.search('(objectClass=*)', *attributes, base=generate.person_dn(uid), scope='base'))


# --- the sample ministry --------------------------------------------------------------------------------------------

def test_size_of_the_ministry(directory):
    assert len(directory.search('(objectClass=inetOrgPerson)', 'uid')) == 1000 + len(PEOPLE)
    assert len(directory.search('(objectClass=groupOfNames)', 'cn')) == 60
    assert len(directory.search('(objectClass=organizationalUnit)', 'ou', base=f'ou=facilities,{SUFFIX}')) == 1 + 65


def test_same_arguments_give_the_same_bytes():
    first, second = (must(*GENERATE, '--ordinary', '200', env={'PYTHONHASHSEED': seed}) for seed in ('1', '2'))
    assert first == second and first.count('\ndn:') > 260


# state -> (result code, what the password policy control says) for the right password, as README.md tells
BIND = {'ok': (0, ''), 'ambiguous': (0, ''), 'disabled': (49, 'Account locked'), 'expired': (49, 'Account locked'),
        'not_yet_valid': (49, 'Account locked'), 'locked_by_admin': (49, 'Account locked'),
        'locked_by_passwords': (49, 'Account locked'), 'password_expired': (49, 'Password expired'),
        'must_change': (0, 'Password must be changed')}


@pytest.mark.parametrize('uid', PEOPLE)
def test_bind_of_each_special_person(directory, uid):
    code, control = BIND[PEOPLE[uid]['state']]
    answer = directory.bind(generate.person_dn(uid), DEMO_PASSWORD, '-e', 'ppolicy')
    assert answer.returncode == code
    assert control in answer.stderr if control else answer.stderr == ''
    assert directory.bind(generate.person_dn(uid), 'wrong').returncode == 49


OPERATIONAL = ('pwdStartTime', 'pwdEndTime', 'pwdAccountLockedTime', 'pwdChangedTime', 'pwdReset')
STATES = {'dina.disabled': {'pwdStartTime': '20200101000000Z', 'pwdEndTime': '20200101000000Z'},
          'emil.expired': {'pwdEndTime': '20200101000000Z'}, 'nora.notyet': {'pwdStartTime': '20990101000000Z'},
          'lars.locked': {'pwdAccountLockedTime': '000001010000Z'},
          'paul.badpasswords': {'pwdAccountLockedTime': '20200101000000Z'},
          'olga.oldpassword': {'pwdChangedTime': '20200101000000Z'}, 'mara.mustchange': {'pwdReset': 'TRUE'}}


@pytest.mark.parametrize('uid', PEOPLE)
def test_operational_attributes_show_the_state(directory, uid):
    seen = person(directory, uid, *OPERATIONAL)
    assert {k: v[0] for k, v in seen.items() if k != 'dn'} == STATES.get(uid, {})
    assert person(directory, uid, 'employeeType')['employeeType'] == [
        {'dina.disabled': 'disabled', 'emil.expired': 'contract', 'nora.notyet': 'contract'}.get(uid, 'permanent')]


def test_operational_attributes_must_be_named(directory):
    assert not {'pwdAccountLockedTime', 'memberOf', 'entryUUID'} & set(person(directory, 'lars.locked'))


def outer_groups(server, dn, depth=0):
    """What the bridge must do with stock OpenLDAP: follow memberOf of the groups, one level at a time."""
    found = {}
    for group in one(server.search('(objectClass=*)', 'memberOf', base=dn, scope='base')).get('memberOf', []):
        found[group] = depth + 1
        found.update(outer_groups(server, group, depth + 1))
    return found


def test_groups_are_nested_three_deep(directory):
    found = outer_groups(directory, generate.person_dn('amina.diallo'))
    assert found == {generate.group_dn(g): d for g, d in
                     {'nurses': 1, 'hiv-r1-d1': 1, 'hiv-r1': 2, 'hiv': 3}.items()}
    assert outer_groups(directory, generate.person_dn('nina.nogroup')) == {}


def test_every_membership_is_there_once(directory):
    seen = [(m, g['cn'][0]) for g in directory.search('(objectClass=groupOfNames)', 'cn', 'member') for m in g['member']]
    expected = [(generate.group_dn(i), g) for g, (_, inside) in sample.group_tree().items() for i in inside]
    expected += [(generate.person_dn(p.uid), g) for p in sample.people(1000) for g in p.groups]
    assert sorted(seen) == sorted(expected)


def test_every_person_works_at_a_known_facility(directory):
    codes = {f['ou'][0] for f in directory.search('(ou=EX*)', 'ou', base=f'ou=facilities,{SUFFIX}')}
    used = {p['departmentNumber'][0] for p in directory.search('(uid=*)', 'departmentNumber')}
    assert used <= codes and {'EX', 'EX-R1', 'EX-R1-D1', 'EX-R1-D1-F1', 'EX-R4-D3-F4'} <= used


def filter_escape(value):
    return ''.join(f'\\{ord(c):02x}' if c in '*()\\\0' else c for c in value)  # RFC 4515 section 3


def test_names_that_need_escaping(directory):
    uid = next(u for u in PEOPLE if u.startswith("o'brien"))
    found = one(directory.search(f'(uid={filter_escape(uid)})', 'uid', 'cn', 'memberOf'))
    assert found['uid'] == [uid] and found['cn'] == [PEOPLE[uid]['name']]
    assert '\\2C' in found['dn'][0] and generate.person_dn(uid) != found['dn'][0]  # same DN, other spelling
    groups = [one(directory.search('(objectClass=*)', 'cn', base=dn, scope='base'))['cn'][0] for dn in found['memberOf']]
    assert sample.ON_CALL in groups and len(groups) == 3
    by_member = directory.search(f'(member={filter_escape(found["dn"][0])})', 'cn')
    assert {g['cn'][0] for g in by_member} == set(groups)


@pytest.mark.parametrize('uid', ['nimal.perera', 'abebe.bekele', 'fatima.zahra', 'දිල්කි.සිල්වා'])
def test_names_beyond_latin(directory, uid):
    found = one(directory.search(f'(uid={uid})', 'cn', 'givenName', 'sn'))
    assert found['cn'] == [PEOPLE[uid]['name']] and not found['sn'][0].isascii()
    assert f'uid={uid},' in directory.bind(found['dn'][0], DEMO_PASSWORD).stdout or not uid.isascii()


def test_two_entries_share_an_employee_number(directory):
    assert len(directory.search('(employeeNumber=900100)', 'uid')) == 2
    numbers = [p['employeeNumber'][0] for p in directory.search('(uid=*)', 'employeeNumber')]
    assert len(numbers) - len(set(numbers)) == 1


# --- who may do what ------------------------------------------------------------------------------------------------

def test_empty_password_and_anonymous_are_refused(directory):
    assert directory.bind(generate.person_dn('amina.diallo'), '').returncode == 53
    assert run('ldapsearch', '-x', '-H', directory.url, '-b', SUFFIX, 'uid=amina.diallo').returncode == 48


def test_nobody_reads_passwords_and_people_only_themselves(directory):
    assert not [e for e in directory.search('(objectClass=*)', 'userPassword') if 'userPassword' in e]
    own = generate.person_dn('amina.diallo')
    seen = directory.search('(objectClass=*)', 'uid', 'userPassword', base=own, dn=own, password=DEMO_PASSWORD)
    assert seen == [{'dn': [own], 'uid': ['amina.diallo']}]
    assert directory.search('(uid=*)', 'uid', dn=own, password=DEMO_PASSWORD) == []


def test_bad_passwords_lock_a_person_but_not_the_reader(directory):
    victim = generate.person_dn(next(p.uid for p in sample.ordinary_people(1)))
    assert directory.bind(victim, DEMO_PASSWORD).returncode == 0
    for _ in range(6):
        assert directory.bind(victim, 'wrong').returncode == 49
        assert directory.bind(READER, 'wrong').returncode == 49
    assert directory.bind(victim, DEMO_PASSWORD).returncode == 49
    assert directory.bind(READER, READER_PASSWORD).returncode == 0
    directory.modify(f'dn: {victim}\nchangetype: modify\ndelete: pwdAccountLockedTime\n')
    assert directory.bind(victim, DEMO_PASSWORD).returncode == 0


def test_tls_with_the_right_authority_only(directory, tmp_path):
    assert directory.client('ldapwhoami', url=directory.tls_url).returncode == 0
    assert directory.client('ldapwhoami', '-ZZ').returncode == 0
    stranger = Authority(tmp_path / 'other', 'a CA nobody trusts')
    right, directory.authority = directory.authority, stranger
    try:
        assert directory.client('ldapwhoami', url=directory.tls_url).returncode == 255
    finally:
        directory.authority = right


def test_issued_certificates_name_their_server(tmp_path):
    authority = Authority(tmp_path)
    issued = authority.issue('idp', ('idp.example', '127.0.0.9', '::1'))
    text = must('openssl', 'x509', '-in', issued.cert, '-noout', '-ext', 'subjectAltName')
    assert 'DNS:idp.example, IP Address:127.0.0.9, IP Address:0:0:0:0:0:0:0:1' in text
    assert must('openssl', 'verify', '-CAfile', authority.ca, issued.cert).endswith(': OK\n')
    assert oct(issued.key.stat().st_mode)[-3:] == '600' and Authority(tmp_path).ca.read_text() == authority.ca.read_text()


# --- what slapd.py promises -----------------------------------------------------------------------------------------

def test_a_copy_has_the_same_ids_and_survives_the_first(directory, tmp_path):
    with Slapd(tmp_path / 'first', people=150) as first:
        second = first.copy(tmp_path / 'second')
        try:
            ids = [{(e['dn'][0], e['entryUUID'][0]) for e in s.search('(uid=*)', 'entryUUID')} for s in (first, second)]
            assert ids[0] == ids[1] and len(ids[0]) > 150
            first.kill()
            assert run('ldapwhoami', '-x', '-H', first.url).returncode == 255
            assert second.bind(READER, READER_PASSWORD).returncode == 0
        finally:
            second.stop()


def test_pause_hangs_and_resume_answers(tmp_path):
    with Slapd(tmp_path, people=150) as server:
        server.pause()
        with pytest.raises(subprocess.TimeoutExpired):
            run('ldapwhoami', '-x', '-H', server.url, '-D', READER, '-w', READER_PASSWORD, timeout=0.5)
        server.resume()
        assert server.bind(READER, READER_PASSWORD).returncode == 0
        server.pause()  # stop() must end a paused server too
        started = time.monotonic()
    assert time.monotonic() - started < 5


def wait_for(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_program_keeps_its_state_and_ends_cleanly(tmp_path):
    directory, ready = tmp_path / 'a b', tmp_path / 'ready'
    server = Slapd(directory)
    command = ['/usr/bin/python3', SUPPORT / 'slapd.py', '--dir', directory, '--port', str(server.port),
               '--people', '150', '--ready-file', ready]
    for expected in ([], ['changed in the first run']):
        program = subprocess.Popen(command)
        wait_for(ready.exists)
        assert ready.read_text().splitlines() == [server.url, '', '']
        assert person(server, 'amina.diallo', 'roomNumber').get('roomNumber', []) == expected
        server.modify(f'dn: {generate.person_dn("amina.diallo")}\nchangetype: modify\nreplace: roomNumber\n'
                      'roomNumber: changed in the first run\n')
        refused = run(*command[:2], '--dir', tmp_path / 'other', '--port', server.port)
        assert refused.returncode == 1 and 'Address already in use' in refused.stderr
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0 and not ready.exists()


def test_slapd_does_not_outlive_a_killed_program(tmp_path):
    ready = tmp_path / 'ready'
    server = Slapd(tmp_path / 'd')
    program = subprocess.Popen(['/usr/bin/python3', SUPPORT / 'slapd.py', '--dir', tmp_path / 'd', '--people', '150',
                                '--port', str(server.port), '--ready-file', ready])
    wait_for(ready.exists)
    program.kill()
    program.wait(10)
    wait_for(lambda: run('ldapwhoami', '-x', '-H', server.url).returncode == 255)


def test_readme_lists_every_special_person():
    text = (SAMPLE / 'README.md').read_text()
    missing = [uid for uid in PEOPLE if f'`{uid}`' not in text]
    assert missing == [] and READER_PASSWORD in text and DEMO_PASSWORD in text


def test_dhis2_seed_has_a_place_for_everybody():
    seed = json.loads(must(*GENERATE, '--dhis2-seed'))
    units = {u['code']: u for u in seed['organisationUnits']}
    assert {p['facility'] for p in PEOPLE.values()} <= set(units) and len(units) == 65
    by_id = {u['id']: u for u in units.values()}
    leaf = units['EX-R2-D3-F4']
    assert leaf['level'] == 4 and by_id[leaf['parent']['id']]['code'] == 'EX-R2-D3'
    ids = [o['id'] for kind in seed.values() for o in kind if 'id' in o]
    assert len(ids) == len(set(ids)) and all(len(i) == 11 and i.isalnum() and i[0].isalpha() for i in ids)


def test_dhis2_standin_starts_from_the_seed(tmp_path):
    seed, conf, ready = tmp_path / 'seed.json', tmp_path / 'dhis.conf', tmp_path / 'ready'
    seed.write_text(must(*GENERATE, '--dhis2-seed'))
    conf.touch()
    program = subprocess.Popen(['/usr/bin/python3', SUPPORT / 'dhis2' / 'standin.py', '--port', '0', '--dhis-conf', conf,
                                '--seed', seed, '--ready-file', ready])
    try:
        wait_for(lambda: ready.exists() and ready.read_text().strip())
        query = '/api/organisationUnits.json?filter=code:eq:EX-R4-D3-F4&fields=id,code,level&paging=false'
        answer = json.loads(must('curl', '-sS', '-m', '10', '-u', 'prov1:Provision1!',
                                 f'http://127.0.0.1:{ready.read_text().strip()}{query}'))
        assert answer['organisationUnits'] == [{'id': generate.dhis2_uid('ou', 'EX-R4-D3-F4'), 'code': 'EX-R4-D3-F4',
                                                'level': 4}]
    finally:
        program.terminate()
        program.wait(10)


def test_id_provider_standin_knows_the_same_people():
    """A claim search or a birth date check at linking compares what the two sides hold about one person."""
    known = {p['email']: p for p in PEOPLE.values()}
    theirs = json.loads((SUPPORT / 'esignet' / 'seed.json').read_text())['persons']
    shared = [(known[p['email']], p) for p in theirs if p.get('email') in known]
    assert len(shared) >= 10
    for ours, person_ in shared:
        assert person_['birthdate'].replace('/', '-') == ours['birthdate'] and person_['phone'] == ours['phone_number']


# --- Active Directory -----------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def domain(tmp_path_factory):
    server = samba_ad.SambaAd(tmp_path_factory.mktemp('ad'), ROOT / 'build' / 'testcache')
    try:
        server.start()
    except samba_ad.Unavailable as reason:
        pytest.skip(f'NO ACTIVE DIRECTORY TESTS: {reason}')
    yield server
    server.stop()


AD_DATA = {'disabled': '533', 'expired': '701', 'mustchange': '773', 'oldpassword': '532', 'lockedout': '775',
           'offhours': '530'}


@pytest.mark.parametrize('name', samba_ad.PERSONS)
def test_ad_bind_of_each_state(domain, name):
    answer = domain.bind(f'{name}@ad.test', samba_ad.PASSWORD)
    if name in AD_DATA:
        assert answer.returncode == 49 and f'data {AD_DATA[name]},' in answer.stderr
    else:
        assert answer.returncode == 0


@pytest.mark.parametrize('name', [n for n in samba_ad.PERSONS if n != 'lockedout'] + ['nobody'])
def test_ad_wrong_password_tells_nothing(domain, name):
    answer = domain.bind(f'{name}@ad.test', 'wrong')
    assert answer.returncode == 49 and 'data 52e,' in answer.stderr


def ad_person(domain, name, *attributes):
    return one(domain.search(f'(sAMAccountName={name})', *attributes))


def test_ad_attributes_show_the_state(domain):
    names = ('userAccountControl', 'msDS-User-Account-Control-Computed', 'pwdLastSet', 'accountExpires', 'lockoutTime')
    state = {n: {k: int(v[0]) for k, v in ad_person(domain, n, *names).items() if k != 'dn'} for n in samba_ad.PERSONS}
    computed = {n: s['msDS-User-Account-Control-Computed'] for n, s in state.items()}
    assert {n: c for n, c in computed.items() if c} == {'lockedout': 16, 'oldpassword': 8388608, 'mustchange': 8388608}
    assert {n for n, s in state.items() if s['userAccountControl'] & 2} == {'disabled'}
    assert {n for n, s in state.items() if s['pwdLastSet'] == 0} == {'mustchange'}
    assert {n for n, s in state.items() if 0 < s['accountExpires'] < 2**63 - 1} == {'expired'}
    assert {n for n, s in state.items() if s.get('lockoutTime')} == {'lockedout'}


def test_ad_nested_groups_by_rule_and_by_token(domain):
    dn = samba_ad.person_dn('normal')
    for group, direct in (('hiv-r1-d1', True), ('hiv-r1', False), ('hiv', False)):
        group_dn = f'CN={group},{samba_ad.GROUPS}'
        chain = domain.search(f'(memberOf:1.2.840.113556.1.4.1941:={group_dn})', 'cn', base=dn, scope='base')
        assert len(chain) == 1
        assert (group_dn in ad_person(domain, 'normal', 'memberOf')['memberOf']) == direct
    count = [len(one(domain.search('(objectClass=*)', 'tokenGroups', base=samba_ad.person_dn(n), scope='base'))
                 ['tokenGroups']) for n in ('normal', 'nogroup')]
    assert count[0] - count[1] == 3


def test_ad_names(domain):
    assert 'CN=Banda\\, Ruth (R1) \\#7,' in ad_person(domain, 'comma', 'cn')['dn'][0]
    assert ad_person(domain, 'sinhala', 'cn')['cn'] == ['නිමල් පෙරේරා']
    assert len(domain.search('(employeeNumber=900100)', 'cn')) == 2


def test_ad_wants_tls_for_a_simple_bind(domain):
    options = {'dn': samba_ad.READER, 'password': samba_ad.READER_PASSWORD, 'url': domain.url}
    assert domain.client('ldapsearch', '-s', 'base', '-b', samba_ad.BASE, **options).returncode == 8
    assert domain.client('ldapsearch', '-ZZ', '-s', 'base', '-b', samba_ad.BASE, **options).returncode == 0


def test_ad_replica_hangs_and_dies_alone(domain, tmp_path):
    with samba_ad.SambaAd(tmp_path, ROOT / 'build' / 'testcache') as replica:
        ids = [ad_person(s, 'normal', 'objectGUID')['objectGUID'] for s in (domain, replica)]
        assert ids[0] == ids[1] and domain.host != replica.host
        replica.pause()
        with pytest.raises(subprocess.TimeoutExpired):
            replica.client('ldapsearch', '-s', 'base', '-b', samba_ad.BASE, url=replica.url, timeout=0.5)
        replica.resume()
        assert replica.bind(samba_ad.ADMIN, samba_ad.ADMIN_PASSWORD).returncode == 0
        replica.kill()
        assert replica.bind(samba_ad.ADMIN, samba_ad.ADMIN_PASSWORD).returncode == 255
    assert domain.bind(samba_ad.ADMIN, samba_ad.ADMIN_PASSWORD).returncode == 0


def test_ad_says_why_it_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    monkeypatch.setenv('PATH', '/nowhere')
    with pytest.raises(samba_ad.Unavailable, match='root or sudo'):
        samba_ad.SambaAd(tmp_path, tmp_path).start()


# --- 389 Directory Server -------------------------------------------------------------------------------------------

def answers_389(server):
    return run('ldapsearch', '-x', '-H', server.url, '-s', 'base', '-b', '', '1.1', '-o', 'nettimeout=2').returncode == 0


def theirs():
    """Files of a 389-ds outside its namespaces; /etc/dirsrv is for root to see."""
    places = ('/run', '/dev/shm', '/tmp', '/etc/dirsrv', '/var/lib/dirsrv')
    seen = [place for place in places if os.access(place, os.R_OK | os.X_OK)]
    return {p for place in seen for p in Path(place).iterdir() if 'slapd' in p.name or 'ds389' in p.name or 'dirsrv' in str(p)}


@pytest.mark.parametrize('end', ['kill -9 of its program', 'end of the test run'])
def test_389_leaves_nothing_behind(tmp_path, end):
    """Not a process, not a file, not a semaphore: all of it lived in namespaces of its own."""
    before = theirs()
    server = ds389.Ds389(tmp_path, ROOT / 'build' / 'testcache')
    try:
        server.start()
    except ds389.Unavailable as reason:
        pytest.skip(f'NO 389-DS TESTS: {reason}')
    assert answers_389(server)
    if end.startswith('kill'):
        server._program.kill()
    else:
        server._program.stdin.close()
    server._program.wait(30)
    server._program.stdout.close()
    wait_for(lambda: not answers_389(server))
    assert theirs() <= before


def test_389_says_why_it_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(ds389, 'SYSTEM_INF', tmp_path / 'nothing')
    with pytest.raises(ds389.Unavailable, match='package 389-ds-base'):
        ds389.Ds389(tmp_path, tmp_path).start()
