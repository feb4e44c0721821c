"""When does dhis2/ refuse, with which reason, and what has it left behind? Against the DHIS2 stand-in.

dhis2_down: it does not answer or not as DHIS2. dhis2_conflict: accounts in the way. dhis2_refused: DHIS2 or the bridge's
own rights say no. dhis2_protected: the account holds ALL.
"""
import socket

import pytest
from dhis2_rig import Client, StandIn, wish

NAMES = ('Amina', 'Diallo', 'amina', 'example.org')


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
    server = StandIn(tmp_path_factory.mktemp('dhis2') / 'server')
    yield server
    server.stop()


@pytest.fixture
def dhis2(shared):
    shared.reset()
    return shared


@pytest.fixture
def make_client(dhis2, tmp_path):
    made = []

    def make(url=None, **options):
        made.append(Client(tmp_path / str(len(made)), url or dhis2.url, **options))
        return made[-1]
    yield make
    for client in made:
        text = client.close()
        assert not any(name in text for name in NAMES), text


@pytest.fixture
def client(make_client):
    return make_client()


def refused(got, reason, *words):
    """The reason, the words for the administrator, and no name of a person in them."""
    assert got['result'] != 'ok' and got['reason'] == reason, got
    assert all(word in got['detail'] for word in words), got
    assert not any(name in got['detail'] for name in NAMES), got


# ---- refused ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('grant, words', [
    (['role', 'name', 'No such role'], ['user role', 'No such role']),
    (['role', 'uid', 'RoleNopeAA1'], ['RoleNopeAA1']),
    (['role', 'code', 'TOOMUCH'], ['E3003', 'Too much']),
    (['role', 'code', 'PROV'], ['PROV']),
    (['role', 'code', 'SUPER'], ['ALL']),
    (['group', 'code', 'HIDDEN'], ['user group', 'HIDDEN']),
    (['org-unit', 'code', 'NOWHERE'], ['organisation unit', 'NOWHERE']),
    (['org-unit', 'uid', 'OuNopeAAA01'], ['OuNopeAAA01']),
    (['org-unit', 'code', 'A,B'], ['comma']),
    (['view-org-unit', 'name', 'Twin Hill'], ['two organisation units', 'Twin Hill', 'code:']),
    (['search-org-unit', 'code', 'ABROAD'], ['E7617', 'OuOtherAA01']),
])
def test_a_grant_that_cannot_be_given(client, dhis2, grant, words):
    refused(client.ensure(wish(grants=wish()['grants'] + [grant])), 'dhis2_refused', *words)
    assert dhis2.users(openId='p-amina') == [], 'a half-made account stays'


def test_the_same_for_an_account_that_is_there(client, dhis2):
    uid = client.ensure(wish())['uid']
    [before] = dhis2.users(id=uid)
    refused(client.ensure(wish(grants=[['role', 'code', 'TOOMUCH']])), 'dhis2_refused', 'E3003')
    refused(client.ensure(wish(grants=wish()['grants'] + [['org-unit', 'code', 'ABROAD']])), 'dhis2_refused', 'E7617')
    assert dhis2.users(id=uid) == [before]


def test_nobody_without_a_role(client, dhis2):
    refused(client.ensure(wish(grants=[['org-unit', 'code', 'EX']])), 'dhis2_refused', 'role')
    client.ensure(wish())
    refused(client.ensure(wish(grants=[])), 'dhis2_refused', 'role')


def test_groups_skipped_in_silence_are_noticed(client, dhis2):
    """The group is visible when its name is looked up, and hidden when the patch comes: DHIS2 answers 200."""
    uid = client.ensure(wish())['uid']
    group = 'krgwSp5RVnX'
    dhis2.call('PUT', '/api/sharing?type=userGroup&id=' + group, {'object': {'publicAccess': '--------'}})
    refused(client.ensure(wish(grants=wish()['grants'] + [['group', 'code', 'HIV-R2']])), 'dhis2_refused', group, uid)


def test_a_new_account_with_a_group_out_of_reach_is_not_made(client, dhis2):
    client.ensure(wish('p-first', 'first.one'))
    dhis2.call('PUT', '/api/sharing?type=userGroup&id=krgwSp5RVnX', {'object': {'publicAccess': '--------'}})
    refused(client.ensure(wish(grants=wish()['grants'] + [['group', 'code', 'HIV-R2']])), 'dhis2_refused', 'E1004', 'krgwSp5RVnX')
    assert dhis2.users(openId='p-amina') == []


def test_disabled_stays_disabled_when_asked_to(make_client, dhis2):
    client = make_client(reenable='off')
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, disabled=True)
    refused(client.ensure(wish()), 'dhis2_refused', uid, 'disabled')
    assert dhis2.users(id=uid)[0]['disabled'] is True


def test_an_expired_account_is_refused_in_words(client, dhis2):
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, accountExpiry='2020-01-31')
    refused(client.ensure(wish()), 'dhis2_refused', uid, 'accountExpiry')
    dhis2.patch(uid, accountExpiry='2099-01-31')
    assert client.ensure(wish())['result'] == 'ok'


@pytest.mark.parametrize('open_id', ['a,b', 'a\nb', ''])
def test_an_openid_dhis2_would_never_find(client, dhis2, open_id):
    refused(client.ensure(wish(open_id)), 'dhis2_refused')
    assert dhis2.requests() == []


# ---- protected ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('write', [True, False])
def test_an_account_with_all_is_never_touched(client, dhis2, write):
    [admin] = dhis2.users(username='admin')
    dhis2.patch(admin['id'], openId='p-amina')
    dhis2.forget()
    refused(client.ensure(wish(), write=write), 'dhis2_protected', admin['id'])
    assert {r['method'] for r in dhis2.requests()} == {'GET'}


# ---- conflicts -----------------------------------------------------------------------------------------------------------

def twin(dhis2, uid, **more):
    dhis2.call('POST', '/api/users', {'id': uid, 'username': uid.lower(), 'firstName': 'F', 'surname': 'S', 'openId': 'p-amina',
                                      'externalAuth': True, 'userRoles': [{'id': 'nMHj3EH5wUo'}], **more})


def test_two_enabled_accounts_with_one_openid(client, dhis2):
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, disabled=True)
    twin(dhis2, 'UsrSecond01')
    dhis2.call('POST', '/api/users/%s/enabled' % uid)  # does not look at openId
    before = dhis2.users(openId='p-amina')
    refused(client.ensure(wish()), 'dhis2_conflict', '2 enabled')
    assert dhis2.users(openId='p-amina') == before
    assert 'dhis2_openid_twins' in client.log_text()


def test_of_two_disabled_accounts_the_one_the_bridge_made(client, dhis2):
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, disabled=True)
    twin(dhis2, 'UsrSecond01')
    dhis2.patch('UsrSecond01', disabled=True)
    assert client.ensure(wish())['uid'] == uid


def test_two_disabled_accounts_of_others(client, dhis2):
    for uid in ('UsrSecond01', 'UsrSecond02'):
        twin(dhis2, uid)
        dhis2.patch(uid, disabled=True)
    refused(client.ensure(wish()), 'dhis2_conflict', '2 disabled')


def test_an_account_that_lost_its_openid_is_not_taken_back(client, dhis2):
    uid = client.ensure(wish())['uid']
    dhis2.patch(uid, openId=None)
    refused(client.ensure(wish()), 'dhis2_conflict', uid)
    assert dhis2.users(id=uid)[0]['openId'] is None


def test_an_account_of_another_openid_is_not_taken_whatever_the_filter_says(client, dhis2):
    dhis2.fault(path_prefix='/api/users', method='GET', status=200,
                body='{"users":[{"id":"UsrOtherA01","username":"other","openId":"P-Amina","externalAuth":true}]}')
    refused(client.ensure(wish()), 'dhis2_conflict')
    assert dhis2.requests('PATCH') == []


def test_a_program_that_writes_against_us(client, dhis2):
    client.ensure(wish())
    dhis2.fault(path_prefix='/api/users/', method='PATCH', status=200, body='{"status":"OK"}')
    refused(client.ensure(wish(grants=[['role', 'code', 'DATA_ENTRY']])), 'dhis2_conflict', 'another program')
    assert len(dhis2.requests('PATCH')) < 8


# ---- down --------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('answer, words', [
    ({'status': 500, 'body': '{"httpStatusCode":500,"message":"Amina"}'}, ['500']),
    ({'status': 503, 'body': '<html>Amina</html>', 'content_type': 'text/html'}, ['503']),
    ({'status': 200, 'body': '<html>Amina</html>', 'content_type': 'text/html'}, ['without JSON']),
    ({'status': 200, 'body': '{"users":'}, ['without JSON']),
    ({'status': 200, 'body': '{"pager":{}}'}, ['users']),
    ({'status': 200, 'body': '{"users":[{"openId":"p-amina"}]}'}, ['without id']),
    ({'status': 302, 'body': ''}, ['redirect']),
    ({'status': 404, 'body': '<html></html>', 'content_type': 'text/html'}, ['404']),
    ({'drop': True}, []),
])
def test_down(client, dhis2, answer, words):
    dhis2.fault(path_prefix='/api/users', **answer)
    got = client.ensure(wish())
    refused(got, 'dhis2_down', *words)
    assert got['result'] == 'unavailable'
    dhis2.no_faults()
    assert client.ensure(wish())['result'] == 'ok', 'it does not recover'


def test_slow(make_client, dhis2):
    client = make_client(timeout='1s')
    dhis2.fault(path_prefix='/api/users', hang=True)
    got = client.ensure(wish())
    dhis2.no_faults()
    refused(got, 'dhis2_down')
    assert got['result'] == 'timeout'


def test_nobody_listens(make_client):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        client = make_client(url='http://127.0.0.1:%d' % free.getsockname()[1])
        refused(client.ensure(wish()), 'dhis2_down', 'connect')


def test_metadata_out_of_reach(client, dhis2):
    dhis2.fault(path_prefix='/api/userRoles', status=500, body='{}')
    refused(client.ensure(wish()), 'dhis2_down', '/api/userRoles')
    assert dhis2.users(openId='p-amina') == []


def test_a_token_no_longer_accepted_is_our_own_trouble(client, dhis2):
    [token] = dhis2.call('GET', '/api/apiTokens?filter=createdBy.username:eq:prov1&fields=id')['apiToken']
    dhis2.call('DELETE', '/api/apiTokens/' + token['id'])
    refused(client.ensure(wish()), 'dhis2_down', '401')
    assert 'dhis2_credentials_refused' in client.log_text()


def test_500_again_and_again_ends(client, dhis2):
    client.ensure(wish())
    dhis2.forget()
    dhis2.fault(path_prefix='/api/users/', method='PATCH', status=500, body='{}')
    refused(client.ensure(wish(grants=[['role', 'code', 'DATA_ENTRY']])), 'dhis2_down', '500')
    assert len(dhis2.requests()) < 12
