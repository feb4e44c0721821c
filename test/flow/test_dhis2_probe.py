"""What does doctor say about a DHIS2? Against the DHIS2 stand-in."""
import json
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

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


def probe(dhis2, folder, rules=(), **options):
    client = Client(folder, dhis2.url, **options)
    got = client.ask(do='probe', rules=list(rules))
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


def rule(name, **give):
    return {'name': name, 'when': {'groups': ['nurses']}, 'give': give}


def test_rules_that_can_be_given(dhis2, tmp_path):
    lines = probe(dhis2, tmp_path, [
        rule('one', roles=['Clinic worker'], groups=['code:HIV-R1'], org_units=['code:EX-R1', 'code:{directory.departmentNumber}']),
        rule('two', roles=['Clinic worker', 'code:LABORATORY'], view_org_units=['name:Example Country'])])
    assert not any(line.startswith('error: ') for line in lines), lines
    assert 'ok: rules give a role that can be given: 2' in lines, lines
    assert 'ok: rules give an org-unit that depends on the person and was not tried: 1' in lines


@pytest.mark.parametrize('give, words', [
    ({'roles': ['No such role']}, ['user role', 'No such role']),
    ({'roles': ['Too much']}, ['Too much', 'may not give']),
    ({'roles': ['code:PROV']}, ['PROV']),
    ({'roles': ['code:SUPER']}, ['ALL']),
    ({'groups': ['code:HIDDEN']}, ['user group', 'HIDDEN']),
    ({'org_units': ['code:NOWHERE']}, ['organisation unit', 'NOWHERE']),
    ({'org_units': ['code:ABROAD']}, ['ABROAD', 'E7617']),
    ({'search_org_units': ['Twin Hill']}, ['two organisation units']),
])
def test_rules_that_cannot_be_given(dhis2, tmp_path, give, words):
    lines = probe(dhis2, tmp_path, [rule('one', **give), rule('two', **give)])
    [error] = [line for line in lines if line.startswith('error: ')]
    assert all(word in error for word in words), error


def test_rights_of_the_bridge_narrower_than_the_rules(dhis2, tmp_path):
    [user] = dhis2.users(username='prov1')
    dhis2.patch(user['id'], organisationUnits=[])
    lines = probe(dhis2, tmp_path, [rule('one', org_units=['code:EX-R1'])])
    assert sum(line.startswith('error: ') and 'E7617' in line for line in lines) == 2, lines


class Ahead(BaseHTTPRequestHandler):
    """Says its version, with a clock ten minutes ahead, and nothing else."""

    def date_time_string(self, timestamp=None):
        return formatdate(time.time() + 600, usegmt=True)

    def do_GET(self):
        found = self.path == '/api/system/info'
        body = json.dumps({'version': '2.43.1'} if found else {}).encode()
        self.send_response(200 if found else 404)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_clocks_apart(tmp_path):
    server = HTTPServer(('127.0.0.1', 0), Ahead)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        server.url = 'http://127.0.0.1:%d' % server.server_port
        lines = probe(server, tmp_path)
    finally:
        server.shutdown()
        server.server_close()
    [error] = [line for line in lines if line.startswith('error: the clock')]
    assert ' s ahead of ours' in error and any(n in error for n in ('599', '600', '601')), error
