"""What does doctor say about a DHIS2? Against the DHIS2 stand-in."""
import pytest
from dhis2_rig import TOKEN, Client, StandIn


@pytest.fixture(scope='module', params=['2.43', '2.41'])
def shared(request, tmp_path_factory):
    server = StandIn(tmp_path_factory.mktemp('dhis2') / 'server', request.param)
    server.version = request.param
    yield server
    server.stop()


@pytest.fixture
def dhis2(shared):
    shared.reset()
    return shared


def probe(dhis2, folder, **options):
    client = Client(folder, dhis2.url, **options)
    got = client.ask(do='probe')
    assert TOKEN not in client.close()
    lines = got['findings'].splitlines()
    assert all(line.startswith(('ok: ', 'warning: ', 'error: ')) for line in lines), lines
    assert (got['result'] == 'ok') == (not any(line.startswith('error: ') for line in lines)), got
    return lines


def test_all_well(dhis2, tmp_path):
    lines = probe(dhis2, tmp_path)
    assert not any(line.startswith('error: ') for line in lines), lines
    assert 'ok: the bridge is prov1 there' in lines
    assert any(line.startswith('ok: DHIS2 ' + dhis2.version) for line in lines)
    assert any(line.startswith('warning: ') and 'redis.enabled' in line for line in lines)
    assert any('oauth2.authorization.server.enabled' in line for line in lines) == (dhis2.version == '2.41')
    assert any(line.startswith('ok: the clocks agree') for line in lines)


@pytest.mark.parametrize('authority', ['F_USER_VIEW', 'F_USER_ADD', 'F_USER_GROUPS_READ_ONLY_ADD_MEMBERS'])
def test_missing_authority(dhis2, tmp_path, authority):
    role = dhis2.call('GET', '/api/userRoles?filter=code:eq:PROV&fields=id,name,authorities')['userRoles'][0]
    role['authorities'].remove(authority)
    dhis2.call('PUT', '/api/userRoles/' + role['id'], role)
    assert any(line.startswith('error: authority %s is missing' % authority) for line in probe(dhis2, tmp_path))


def test_too_mighty(dhis2, tmp_path):
    (tmp_path / 'password').write_text('district')
    lines = probe(dhis2, tmp_path, auth='basic', username='admin', password_file='password')
    assert any(line.startswith('warning: ') and 'ALL' in line for line in lines)


def test_wrong_token(dhis2, tmp_path):
    [first] = probe(dhis2, tmp_path, token='d2p_' + 'x' * 50)[1:] or ['']
    assert first.startswith('error: ') and 'HTTP 40' in first, first


def test_not_a_dhis2(dhis2, tmp_path):
    dhis2.fault(path_prefix='/api/system/info', status=200, body='<html></html>', content_type='text/html')
    lines = probe(dhis2, tmp_path)
    assert any(line.startswith('error: ') and 'is url the address of a DHIS2' in line for line in lines)
