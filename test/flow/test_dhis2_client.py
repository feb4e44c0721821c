"""Does dhis2/ make an account agree? Creates, changes, groups, look-ups, against the DHIS2 stand-in in both versions.

What refuses a login is in test_dhis2_refusals.py, what doctor says in test_dhis2_probe.py.
"""
import json
import re
import time

import pytest
from dhis2_rig import TOKEN, Client, StandIn, wish

CLINIC, DATA_ENTRY = 'nMHj3EH5wUo', 'XalU2xiWQ65'
HIV_R1, HIV_R2 = 'k5ONViqsFkv', 'krgwSp5RVnX'
USERNAME = re.compile(r'^(?=.{4,255}$)(?![-_.@])(?!.*[-_.@]{2})[-_.@a-zA-Z0-9]+(?<![-_.@])$')


@pytest.fixture(scope='module', params=['2.43', '2.41'])
def shared(request, tmp_path_factory):
    server = StandIn(tmp_path_factory.mktemp('dhis2') / 'server', request.param)
    yield server
    server.stop()


@pytest.fixture
def dhis2(shared):
    shared.reset()
    return shared


@pytest.fixture
def make_client(dhis2, tmp_path):
    made = []

    def make(**options):
        made.append(Client(tmp_path / str(len(made)), dhis2.url, **options))
        return made[-1]
    yield make
    for client in made:
        assert TOKEN not in client.close()


@pytest.fixture
def client(make_client):
    return make_client()


def paths(requests):
    return [(r['method'], r['path'].split('?')[0]) for r in requests]


def operations(request):
    return {op['path']: op for op in json.loads(request['body'])}


# ---- creating ---------------------------------------------------------------------------------------------------

def test_first_login_makes_the_account(client, dhis2):
    got = client.ensure(wish())
    assert (got['result'], got['reason'], got['created'], got['changed']) == ('ok', None, True, True), got
    [user] = dhis2.users(openId='p-amina')
    assert (user['id'], user['username']) == (got['uid'], 'amina.diallo') == (user['id'], got['username'])
    assert user['externalAuth'] is True and user['disabled'] is False
    assert (user['firstName'], user['surname'], user['email']) == ('Amina', 'Diallo', 'amina@example.org')
    assert user['userRoles'] == [CLINIC] and user['userGroups'] == [HIV_R1]
    assert [len(user[s]) for s in ('organisationUnits', 'dataViewOrganisationUnits', 'teiSearchOrganisationUnits')] == [1, 1, 1]
    [post] = dhis2.requests('POST')
    assert 'password' not in json.loads(post['body']) and json.loads(got['patch']) == json.loads(post['body'])


def test_an_account_that_agrees_costs_one_get(client, dhis2):
    client.ensure(wish())
    dhis2.forget()
    got = client.ensure(wish())
    assert (got['result'], got['created'], got['changed'], got['patch']) == ('ok', False, False, '[]')
    assert paths(dhis2.requests()) == [('GET', '/api/users')]


def test_no_call_ever_carries_a_cookie(client, dhis2):
    client.ensure(wish())
    client.ensure(wish(grants=[['role', 'code', 'DATA_ENTRY']]))
    seen = dhis2.requests()
    assert len(seen) > 5
    for request in seen:
        names = [name.lower() for name, _ in request['headers']]
        assert 'cookie' not in names
        assert ['Authorization', 'ApiToken ' + TOKEN] in request['headers']


def test_basic_credentials_work_too(make_client, dhis2, tmp_path):
    (tmp_path / 'password').write_text('Provision1!\n')
    client = make_client(auth='basic', username='prov1', password_file=str(tmp_path / 'password'))
    assert client.ensure(wish())['result'] == 'ok'
    assert not any(name == 'Cookie' for r in dhis2.requests() for name, _ in r['headers'])


def test_explain_writes_nothing_for_somebody_new(client, dhis2):
    got = client.ensure(wish(), write=False)
    body = json.loads(got['patch'])
    assert (got['result'], got['created'], got['username']) == ('ok', True, 'amina.diallo')
    assert body['userRoles'] == [{'id': CLINIC}] and body['externalAuth'] is True
    assert dhis2.users(openId='p-amina') == []
    assert {r['method'] for r in dhis2.requests()} == {'GET'}
    assert client.ensure(wish())['uid'] == got['uid']


def test_a_login_repeated_after_a_lost_answer_finds_the_first_try(make_client, dhis2):
    client = make_client(timeout='1s')
    dhis2.fault(path_prefix='/api/users', method='POST', delay_ms=1500, times=1)
    first = client.ensure(wish())
    assert (first['result'], first['reason']) == ('timeout', 'dhis2_down')
    second = client.ensure(wish())
    assert second['result'] == 'ok', second
    assert [u['id'] for u in dhis2.users(openId='p-amina')] == [second['uid']]


def test_eight_logins_of_one_person_at_once_make_one_account(client, dhis2):
    got = client.ask(at_once=[{'do': 'ensure', **wish()}] * 8)['answers']
    assert [g['result'] for g in got] == ['ok'] * 8
    assert len(dhis2.users(openId='p-amina')) == 1
    assert sum(g['created'] for g in got) == 1


def test_two_processes_at_once_make_one_account(make_client, dhis2):
    """Two nodes of a cluster share no lock: the uid made from the person does it."""
    nodes = [make_client(), make_client()]
    for node in nodes:
        node.process.stdin.write(json.dumps({'do': 'ensure', **wish()}) + '\n')
        node.process.stdin.flush()
    got = [json.loads(node.process.stdout.readline()) for node in nodes]
    assert [g['result'] for g in got] == ['ok', 'ok'], got
    assert len(dhis2.users(openId='p-amina')) == 1


# ---- usernames ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('login', ['Bo', 'a+b', 'bjørn.ødegård', 'දිල්කි.සිල්වා', '-x--y-', 'o\'brien, "ann" + (r1) *\\;<>=#',
                                   'x' * 300])
def test_any_login_becomes_a_username_dhis2_accepts(client, dhis2, login):
    got = client.ensure(wish(login=login))
    assert got['result'] == 'ok', got
    assert USERNAME.match(got['username'])
    assert client.ensure(wish(login=login))['changed'] is False


def test_somebody_elses_username_is_never_taken_over(client, dhis2):
    first = client.ensure(wish())
    other = client.ensure(wish('p-namesake'))
    assert other['result'] == 'ok' and other['uid'] != first['uid']
    assert other['username'].startswith('amina.diallo.') and USERNAME.match(other['username'])
    assert client.ensure(wish('p-namesake'))['username'] == other['username']


def test_two_people_of_one_login_at_once(client, dhis2):
    got = client.ask(at_once=[{'do': 'ensure', **wish('p-%d' % i)} for i in range(2)])['answers']
    assert [g['result'] for g in got] == ['ok', 'ok'], got
    assert len({g['username'] for g in got}) == 2


def test_prefix_of_usernames(make_client, dhis2):
    assert make_client(username_prefix='nid-').ensure(wish())['username'] == 'nid-amina.diallo'


# ---- changing ----------------------------------------------------------------------------------------------------

def test_only_what_differs_is_patched_and_by_add(client, dhis2):
    uid = client.ensure(wish())['uid']
    dhis2.forget()
    changed = wish(surname='Okoro', grants=[['role', 'name', 'Data entry'], ['group', 'code', 'HIV-R2'],
                                            ['group', 'code', 'HIV-R1'], ['org-unit', 'code', 'EX-R1-D1-F2'],
                                            ['view-org-unit', 'code', 'EX-R1-D1'], ['search-org-unit', 'code', 'EX']])
    got = client.ensure(changed)
    assert (got['result'], got['created'], got['changed']) == ('ok', False, True), got
    main, groups = dhis2.requests('PATCH')
    assert main['path'] == groups['path'] == '/api/users/' + uid
    assert set(operations(main)) == {'/surname', '/userRoles', '/organisationUnits'}
    assert set(operations(groups)) == {'/userGroups'}
    assert {op['op'] for r in (main, groups) for op in operations(r).values()} == {'add'}
    assert json.loads(got['patch']) == json.loads(main['body']) + json.loads(groups['body'])
    [user] = dhis2.users(id=uid)
    assert user['userRoles'] == [DATA_ENTRY] and set(user['userGroups']) == {HIV_R1, HIV_R2}


def test_explain_shows_the_patch_and_sends_none(client, dhis2):
    client.ensure(wish())
    dhis2.forget()
    got = client.ensure(wish(mail='new@example.org'), write=False)
    assert json.loads(got['patch']) == [{'op': 'add', 'path': '/email', 'value': 'new@example.org'}]
    assert got['changed'] is True and got['created'] is False
    assert {r['method'] for r in dhis2.requests()} == {'GET'}


def test_what_is_not_owned_stays(make_client, dhis2):
    client = make_client(own='roles groups')
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, email='by.hand@example.org', surname='By-Hand', phoneNumber='+1', organisationUnits=[])
    got = client.ensure(wish(phone='+99'))
    assert (got['result'], got['patch']) == ('ok', '[]')


def test_telephone_only_when_owned(make_client, dhis2):
    make_client().ensure(wish(phone='+25470'))
    assert dhis2.users(openId='p-amina')[0]['phoneNumber'] is None
    make_client(own='phone roles').ensure(wish(phone='+25470'))
    assert dhis2.users(openId='p-amina')[0]['phoneNumber'] == '+25470'


def test_absent_values_leave_what_is_there(client, dhis2):
    client.ensure(wish())
    got = client.ensure(wish(mail=None, given_name=None, surname=None))
    assert got['patch'] == '[]'
    assert client.ensure(wish('p-nameless', 'nameless', given_name=None, surname=''))['result'] == 'ok'
    assert dhis2.users(openId='p-nameless')[0]['firstName'] == 'nameless'


def test_a_mail_address_dhis2_refuses_keeps_nobody_out(client, dhis2):
    bad = wish(mail='amina@example.c0m')
    assert client.ensure(bad)['result'] == 'ok'
    assert dhis2.users(openId='p-amina')[0]['email'] is None
    dhis2.forget()
    assert client.ensure(bad)['patch'] == '[]', 'it is tried again at each login'
    client.ensure(wish())
    other = wish(mail='other@example.c0m', surname='New', grants=[['role', 'code', 'LABORATORY']])
    assert client.ensure(other)['result'] == 'ok'
    [user] = dhis2.users(openId='p-amina')
    assert user['email'] == 'amina@example.org' and user['userRoles'] == ['Zi8dJ3Rp7pm']


def test_names_longer_than_dhis2_takes_are_cut_once(client, dhis2):
    long = wish(given_name='é' * 200, surname='𝔸' * 100)
    assert client.ensure(long)['result'] == 'ok'
    [user] = dhis2.users(openId='p-amina')
    assert (len(user['firstName']), len(user['surname'])) == (160, 80)
    assert client.ensure(long)['patch'] == '[]'


# ---- groups ------------------------------------------------------------------------------------------------------

def join(dhis2, uid, *groups):
    """As the administrator does it by hand."""
    for group in groups:
        dhis2.call('POST', '/api/userGroups/%s/users/%s' % (group, uid))


def test_groups_given_by_hand_are_carried(client, dhis2):
    uid = client.ensure(wish())['uid']
    join(dhis2, uid, 'GrpByHand01', 'GrpHidden01')
    assert client.ensure(wish())['patch'] == '[]'
    more = wish()['grants'] + [['group', 'code', 'HIV-R2']]
    assert client.ensure(wish(grants=more))['result'] == 'ok'
    assert set(dhis2.users(id=uid)[0]['userGroups']) == {HIV_R1, HIV_R2, 'GrpByHand01', 'GrpHidden01'}


def test_a_group_of_the_rules_goes_when_no_rule_gives_it_any_more(client, dhis2):
    uid = client.ensure(wish())['uid']
    join(dhis2, uid, 'GrpByHand01')
    less = [g for g in wish()['grants'] if g[0] != 'group']
    assert client.ensure(wish(grants=less))['patch'] == '[]', 'without the rules nobody is taken out'
    assert client.ensure(wish(grants=less), could_give=['HIV-R1', 'HIV-R2'])['result'] == 'ok'
    assert dhis2.users(id=uid)[0]['userGroups'] == ['GrpByHand01']


@pytest.mark.parametrize('managed, left', [('all', set()), ('none', {HIV_R1, 'GrpByHand01'}), ('code:HIV*', {'GrpByHand01'}),
                                           ('uid:GrpByHand01', {HIV_R1})])
def test_managed_groups(make_client, dhis2, managed, left):
    client = make_client(managed_groups=managed)
    uid = client.ensure(wish())['uid']
    join(dhis2, uid, 'GrpByHand01')
    less = [g for g in wish()['grants'] if g[0] != 'group']
    assert client.ensure(wish(grants=less), could_give=['HIV-R1'])['result'] == 'ok'
    assert set(dhis2.users(id=uid)[0]['userGroups']) == left


def test_roles_given_by_hand_go_unless_listed(make_client, dhis2):
    uid = make_client().ensure(wish())['uid']
    dhis2.patch(uid, userRoles=[{'id': CLINIC}, {'id': DATA_ENTRY}])
    assert make_client(unmanaged_roles='code:DATA_E*').ensure(wish())['patch'] == '[]'
    assert make_client().ensure(wish())['changed'] is True
    assert dhis2.users(id=uid)[0]['userRoles'] == [CLINIC]


# ---- disabled accounts, lost writes, look-ups ----------------------------------------------------------------------

def test_a_disabled_account_is_enabled_by_patch_only(client, dhis2):
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, disabled=True)
    dhis2.forget()
    got = client.ensure(wish())
    assert (got['result'], got['uid'], got['disabled'], got['changed']) == ('ok', uid, False, True)
    assert not any(path.endswith('/enabled') for _, path in paths(dhis2.requests()))
    assert dhis2.users(id=uid)[0]['disabled'] is False


def test_of_an_enabled_and_a_disabled_account_the_enabled_one_counts(client, dhis2):
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, disabled=True)
    dhis2.call('POST', '/api/users', {'id': 'UsrSecond01', 'username': 'second.one', 'firstName': 'F', 'surname': 'S',
                                      'openId': 'p-amina', 'externalAuth': True, 'userRoles': [{'id': CLINIC}]})
    got = client.ensure(wish())
    assert (got['result'], got['uid']) == ('ok', 'UsrSecond01')
    assert dhis2.users(id=uid)[0]['disabled'] is True


def test_external_login_is_switched_on(client, dhis2):
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, externalAuth=False)
    assert json.loads(client.ensure(wish())['patch']) == [{'op': 'add', 'path': '/externalAuth', 'value': True}]
    assert dhis2.users(id=uid)[0]['externalAuth'] is True


def test_a_patch_answered_500_is_looked_at_and_tried_again(client, dhis2):
    client.ensure(wish())
    dhis2.fault(path_prefix='/api/users/', method='PATCH', status=500, body='{}', times=1)
    got = client.ensure(wish(grants=[['role', 'code', 'DATA_ENTRY']]))
    assert got['result'] == 'ok', got
    assert dhis2.users(openId='p-amina')[0]['userRoles'] == [DATA_ENTRY]


def test_a_write_lost_to_another_program_is_written_again(client, dhis2):
    """The stand-in answers 200 and stores nothing, as DHIS2 does with the loser of two parallel patches."""
    client.ensure(wish())
    dhis2.fault(path_prefix='/api/users/', method='PATCH', status=200, body='{"status":"OK"}', times=1)
    assert client.ensure(wish(grants=[['role', 'code', 'DATA_ENTRY']]))['result'] == 'ok'
    assert dhis2.users(openId='p-amina')[0]['userRoles'] == [DATA_ENTRY]


def test_a_role_made_after_the_start_is_found(make_client, dhis2):
    client = make_client(metadata_life='1s')
    client.ensure(wish())
    dhis2.call('POST', '/api/userRoles', {'id': 'RoleNewAA01', 'code': 'NEW', 'name': 'New', 'authorities': []})
    import time
    time.sleep(1.1)
    assert client.ensure(wish(grants=[['role', 'code', 'NEW']]))['result'] == 'ok'


def test_names_are_asked_for_once_in_a_while(client, dhis2):
    client.ensure(wish())
    dhis2.forget()
    assert client.ensure(wish('p-other', 'other.nurse'))['result'] == 'ok'
    asked = [path for _, path in paths(dhis2.requests())]
    assert not [p for p in asked if p in ('/api/userRoles', '/api/userGroups', '/api/organisationUnits')], asked


# ---- a Route's user ----------------------------------------------------------------------------------------------------

def test_enabled(client, dhis2):
    uid = client.ensure(wish())['uid']
    got = client.ask(do='enabled', username='amina.diallo')
    assert (got['result'], got['enabled'], got['uid']) == ('ok', True, uid)
    dhis2.forget()
    assert client.ask(do='enabled', username='amina.diallo')['enabled'] is True
    assert dhis2.requests() == []


def test_disabled_and_unknown_users_of_a_route(client, dhis2):
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, disabled=True)
    assert client.ask(do='enabled', username='amina.diallo')['enabled'] is False
    for name in ('nobody.here', 'AMINA.DIALLO', 'amina.diallo&fields=x', '', None):
        got = client.ask(do='enabled', username=name)
        assert got['enabled'] is False and got['result'] in ('not_found', 'denied'), (name, got)
