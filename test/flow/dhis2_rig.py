"""A DHIS2 stand-in with the sample ministry and, beside it, the C program that calls dhis2/ against it.

Used by test_dhis2_*.py. The stand-in is test/support/dhis2/standin.py; the program is test/unit/dhis2/test_live.c, which
reads one JSON request a line and answers one a line.
"""
import base64
import json
import os
import select
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STANDIN = ROOT / 'test' / 'support' / 'dhis2'
PROGRAM = ROOT / 'build' / 'asan' / 'test' / 'unit' / 'dhis2' / 'test_live'
TOKEN = json.loads((STANDIN / 'seed.json').read_text())['apiTokens'][0]['key']  # its checksum is right
PYTHON = '/usr/bin/python3'


def sample_seed():
    """The ministry, a token for the bridge's account, two units of one name, a country outside, a hidden group."""
    made = subprocess.run([PYTHON, ROOT / 'deploy' / 'sample-directory' / 'generate.py', '--dhis2-seed'],
                          capture_output=True, check=True, timeout=60)
    seed = json.loads(made.stdout)
    seed['apiTokens'] = [{'username': 'prov1', 'key': TOKEN}]
    root = seed['organisationUnits'][0]
    extra = [('OuTwinAAA01', 'TWIN-1', 'Twin Hill', root), ('OuTwinAAA02', 'TWIN-2', 'Twin Hill', root),
             ('OuOtherAA01', 'ABROAD', 'Abroad', None)]
    for uid, code, name, parent in extra:
        unit = {'id': uid, 'code': code, 'name': name, 'shortName': name, 'openingDate': '2000-01-01'}
        if parent:
            unit['parent'] = {'id': parent['id']}
        seed['organisationUnits'].append(unit)
    seed['userGroups'].append({'id': 'GrpHidden01', 'code': 'HIDDEN', 'name': 'Hidden', 'sharing': {'public': '--------'}})
    seed['userGroups'].append({'id': 'GrpByHand01', 'code': 'BYHAND', 'name': 'By hand', 'sharing': {'public': 'r-------'}})
    seed['userRoles'].append({'id': 'RoleTooMuch', 'code': 'TOOMUCH', 'name': 'Too much', 'authorities': ['F_SYSTEM_SETTING']})
    return seed


class StandIn:
    def __init__(self, folder, version='2.43'):
        folder.mkdir(parents=True)
        (folder / 'dhis.conf').write_text('')
        (folder / 'seed.json').write_text(json.dumps(sample_seed()))
        ready = folder / 'ready'
        self.log = open(folder / 'standin.log', 'w')
        self.process = subprocess.Popen(
            [PYTHON, STANDIN / 'standin.py', '--dhis-conf', folder / 'dhis.conf', '--seed', folder / 'seed.json',
             '--version', version, '--ready-file', ready], stderr=self.log, stdout=self.log)
        until = time.time() + 30
        while not (ready.exists() and ready.read_text().strip()):
            assert self.process.poll() is None and time.time() < until, (folder / 'standin.log').read_text()
            time.sleep(0.05)
        self.url = 'http://127.0.0.1:%d' % int(ready.read_text())

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.log.close()

    def call(self, method, path, body=None, kind='application/json', user='admin:district'):
        """One request as the administrator; returns the JSON, or raises with what DHIS2 said."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={
            'Content-Type': kind, 'Authorization': 'Basic ' + base64.b64encode(user.encode()).decode()})
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                text = reply.read()
        except urllib.error.HTTPError as problem:
            raise AssertionError('%s %s: %d %s' % (method, path, problem.code, problem.read())) from problem
        return json.loads(text) if text else None

    def patch(self, uid, **values):
        operations = [{'op': 'add', 'path': '/' + key, 'value': value} for key, value in values.items()]
        return self.call('PATCH', '/api/users/' + uid, operations, 'application/json-patch+json')

    def users(self, **having):
        everybody = self.call('GET', '/__standin/users')
        return [u for u in everybody if all(u[key] == value for key, value in having.items())]

    def fault(self, **what):
        self.call('POST', '/__standin/fault', what)

    def no_faults(self):
        self.call('DELETE', '/__standin/fault')

    def reset(self):
        self.call('POST', '/__standin/reset')

    def forget(self):
        self.call('DELETE', '/__standin/requests')

    def requests(self, method=None):
        """Those of the bridge since forget(), writes with their bodies."""
        seen = self.call('GET', '/__standin/requests')
        ours = [r for r in seen if dict(r['headers']).get('User-Agent') == 'idbridge']
        return [r for r in ours if method in (None, r['method'])]


class Client:
    """test_live with a configuration of its own."""

    def __init__(self, folder, url, token=TOKEN, **options):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'token').write_text(token + '\n')
        keys = {'url': url, 'token_file': 'token', **options}
        (folder / 'idbridge.ini').write_text(
            '[dhis2 hmis]\n' + ''.join('%s = %s\n' % pair for pair in keys.items() if pair[1] is not None))
        assert PROGRAM.exists(), 'make %s first' % PROGRAM.relative_to(ROOT)
        self.errors = open(folder / 'client.log', 'w+')
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        text=True, env={**os.environ, 'IDBRIDGE_TEST_DHIS2': str(folder / 'idbridge.ini')})

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + '\n')
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        assert ready, 'no answer within a minute'
        line = self.process.stdout.readline()
        assert line, 'the program ended: ' + self.log_text()
        return json.loads(line)

    def ensure(self, wish, **more):
        return self.ask(do='ensure', **{**wish, **more})

    def log_text(self):
        self.errors.flush()
        return Path(self.errors.name).read_text()

    def close(self):
        """Ends it and looks at what the sanitizers say."""
        self.process.stdin.close()
        code = self.process.wait(timeout=30)
        text = self.log_text()
        self.errors.close()
        assert code == 0, text
        return text


def wish(open_id='p-amina', login='amina.diallo', grants=None, **more):
    """What the ministry's rules would give an ordinary nurse."""
    standard = [['role', 'code', 'CLINIC_WORKER'], ['group', 'code', 'HIV-R1'], ['org-unit', 'code', 'EX-R1-D1-F1'],
                ['view-org-unit', 'code', 'EX-R1-D1'], ['search-org-unit', 'name', 'Example Country']]
    return {'open_id': open_id, 'login': login, 'given_name': 'Amina', 'surname': 'Diallo', 'mail': 'amina@example.org',
            'grants': standard if grants is None else grants, **more}

