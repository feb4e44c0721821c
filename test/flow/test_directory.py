"""Does broker/directory say the truth about real directory servers?

Starts OpenLDAP with the sample ministry, Samba AD and 389-ds, writes a
[directory staff] for each, and runs the groups of tests of test/unit/directory/test_live.c and test_trouble.c against
them. These programs ask for a server to be paused, killed or restarted by a line on their standard output.
IDBRIDGE_UNIT_PROGRAMS names another build of them.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'test' / 'support'))
import ds389  # noqa: E402
import samba_ad  # noqa: E402
from slapd import ENVIRONMENT, READER, READER_PASSWORD, SUFFIX, Slapd  # noqa: E402
from tls import Authority  # noqa: E402

PROGRAMS = Path(os.environ.get('IDBRIDGE_UNIT_PROGRAMS', ROOT / 'build/asan/test/unit')) / 'directory'
TROUBLE = ('failover', 'untrusted', 'wrong_password', 'wrong_bases', 'bench')
SPECIAL = 17  # people of the sample ministry beside the ordinary ones


def config(folder, password, **keys):
    (folder / 'password').write_text(password + '\n')
    keys = {'bind_password_file': 'password', 'network_timeout': '1s', 'search_timeout': '1s', **keys}
    file = folder / 'idbridge.ini'
    file.write_text('[directory staff]\n' + ''.join(f'{k} = {v}\n' for k, v in keys.items() if v))
    return file


def ministry(folder, urls, **keys):
    return config(folder, keys.pop('password', READER_PASSWORD), **{
        'type': 'openldap', 'urls': urls, 'bind_dn': READER, 'people_base': f'ou=people,{SUFFIX}',
        'groups_base': f'ou=groups,{SUFFIX}', 'attributes': 'departmentNumber title',
        'birth_date_attribute': 'schacDateOfBirth', 'claim_filter': '(employeeNumber={claim.employee_number})',
        'disabled_attribute': 'employeeType', 'disabled_value': 'disabled', **keys})


def stopped(pid):
    """Every thread: the signal is delivered one by one, and a thread still running would answer once more."""
    return all((task / 'stat').read_text().rsplit(')', 1)[1].split()[0] == 'T' for task in Path(f'/proc/{pid}/task').iterdir())


def act_on(server, act):
    for step in ('kill', 'start') if act == 'restart' else (act,):
        getattr(server, step)()
    for _ in range(500 if act == 'pause' else 0):
        if stopped(server.process.pid):
            return
        time.sleep(0.01)


def run_live(group, file, servers=None, timeout=60, **environment):
    """Runs one group; obeys its "ask" lines; the output is in the failure."""
    binary = PROGRAMS / ('test_trouble' if group in TROUBLE else 'test_live')
    environment = {**os.environ, 'IDBRIDGE_LIVE_CONFIG': str(file), **environment}
    program = subprocess.Popen(['timeout', str(timeout), str(binary), group], env=environment, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = []
    with program:
        for line in program.stdout:
            said.append(line)
            if line.startswith('ask '):
                _, act, name = line.split()
                act_on(servers[name], act)
                program.stdin.write('done\n')
                program.stdin.flush()
    assert program.returncode == 0, ''.join(said)
    return ''.join(said)


@pytest.fixture(scope='module')
def slapd(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp('slapd'), tls=True, people=600) as server:
        yield server


@pytest.mark.parametrize('way', ['ldap', 'ldaps', 'starttls'])
def test_openldap(slapd, tmp_path, way):
    urls = slapd.tls_url if way == 'ldaps' else slapd.url
    file = ministry(tmp_path, urls, ca_file=slapd.ca_file, starttls='on' if way == 'starttls' else 'off')
    run_live('openldap', file, IDBRIDGE_LIVE_PEOPLE=str(600 + SPECIAL))


def test_openldap_by_its_socket(tmp_path):
    """ldapi://: a directory on the same machine, no port and no TLS."""
    with tempfile.TemporaryDirectory(prefix='s', dir='/tmp') as folder:  # short: the path of a socket has 107 bytes
        server = Slapd(folder, people=600).start()
        server.stop()
        url = f'ldapi://{folder.replace("/", "%2F")}%2Fldapi'
        process = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', 'slapd', '-d', 'none', '-f', 'slapd.conf', '-h', url],
                                   cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                if process.poll() is None and (Path(folder) / 'ldapi').exists():
                    break
                time.sleep(0.02)
            run_live('openldap', ministry(tmp_path, url), IDBRIDGE_LIVE_PEOPLE=str(600 + SPECIAL))
        finally:
            process.terminate()
            process.wait(10)


def test_a_stranger_s_certificate(slapd, tmp_path):
    """Whatever the environment and the machine's ldap.conf say: TLS_REQCERT never must not leak in."""
    stranger = Authority(tmp_path / 'other', 'a CA nobody trusts')
    file = ministry(tmp_path, slapd.tls_url, ca_file=stranger.ca)
    (tmp_path / 'ldaprc').write_text(f'TLS_REQCERT never\nTLS_CACERT {slapd.ca_file}\n')
    run_live('untrusted', file, IDBRIDGE_LIVE_REASON='self-signed certificate in certificate chain', LDAPTLS_REQCERT='never', LDAPTLS_CACERT=str(slapd.ca_file),
             LDAPCONF=str(tmp_path / 'ldaprc'))


def test_no_authorities_at_all(slapd, tmp_path):
    (tmp_path / 'empty.pem').write_text('no certificate\n')
    run_live('untrusted', ministry(tmp_path, slapd.tls_url, ca_file='empty.pem'),
             IDBRIDGE_LIVE_REASON='There is no certificate in')


def test_a_certificate_for_another_name(slapd, tmp_path):
    """127.0.0.3 is not in the certificate: slapd listens on 127.0.0.1 alone, so a forwarder stands there."""
    listener = socket.create_server(('127.0.0.3', 0))
    port = listener.getsockname()[1]

    def pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def forward():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((slapd.host, slapd.tls_port))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=forward, daemon=True).start()
    try:
        run_live('untrusted', ministry(tmp_path, f'ldaps://127.0.0.3:{port}', ca_file=slapd.ca_file),
                 IDBRIDGE_LIVE_REASON='IP Address:127.0.0.1')
    finally:
        listener.close()


def test_wrong_service_password(slapd, tmp_path):
    run_live('wrong_password', ministry(tmp_path, slapd.url, password='not this'))


def test_wrong_bases(slapd, tmp_path):
    run_live('wrong_bases', ministry(tmp_path, slapd.url, people_base=f'ou=nowhere,{SUFFIX}',
                                     groups_base=f'ou=nothing,{SUFFIX}'))


@pytest.mark.parametrize('way', ['ldap', 'ldaps'])
def test_failover(slapd, tmp_path, way):
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in 'ab':
            servers[name] = slapd.copy(tmp_path / name)
            stack.callback(servers[name].stop)
        urls = [s.tls_url if way == 'ldaps' else s.url for s in servers.values()]
        run_live('failover', ministry(tmp_path, ' '.join(urls), ca_file=slapd.ca_file), servers=servers)


def chain(person, length):
    """Groups person-1 .. person-length, each inside the next."""
    inner = f'uid={person},ou=people,{SUFFIX}'
    for n in range(1, length + 1):
        dn = f'cn={person}-{n},ou=groups,{SUFFIX}'
        yield f'dn: {dn}\nobjectClass: groupOfNames\ncn: {person}-{n}\nmember: {inner}\n'
        inner = dn


def nested_ldif():
    names = ('circle', 'ten', 'eleven', 'broad')
    for name in names:
        yield f'dn: uid={name},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\n'
    yield from chain('ten', 10)
    yield from chain('eleven', 11)
    for n in range(1, 4):
        inner = f'uid=circle,ou=people,{SUFFIX}\nmember: cn=c3,ou=groups,{SUFFIX}' if n == 1 else f'cn=c{n - 1},ou=groups,{SUFFIX}'
        yield f'dn: cn=c{n},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: c{n}\nmember: {inner}\n'
    for n in range(100):  # 100 direct ones, half of which are in 50 others: several batches in one level
        yield f'dn: cn=b{n},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: b{n}\nmember: uid=broad,ou=people,{SUFFIX}\n'
    for n in range(50):
        yield f'dn: cn=o{n},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: o{n}\nmember: cn=b{n},ou=groups,{SUFFIX}\n'


def test_nested_groups_in_a_circle_and_too_deep(tmp_path):
    with Slapd(tmp_path / 's', people=150) as server:
        added = server.client('ldapadd', input='\n'.join(nested_ldif()))
        assert added.returncode == 0, added.stderr
        run_live('nesting', ministry(tmp_path, server.url))


def test_cost_of_one_question(slapd, tmp_path):
    """No budget here, a number: two searches when the groups are flat, three levels need three more."""
    print(run_live('bench', ministry(tmp_path, slapd.url)))


# --- Active Directory -----------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def samba(tmp_path_factory):
    server = samba_ad.SambaAd(tmp_path_factory.mktemp('samba'), ROOT / 'build/testcache')
    try:
        server.start()
    except samba_ad.Unavailable as reason:
        pytest.skip(f'NO ACTIVE DIRECTORY TESTS: {reason}')
    yield server
    server.stop()


def domain(folder, server, **keys):
    return config(folder, samba_ad.READER_PASSWORD, **{
        'type': 'ad', 'urls': server.tls_url, 'ca_file': server.ca_file, 'bind_dn': samba_ad.READER,
        'people_base': samba_ad.PEOPLE, 'groups_base': samba_ad.BASE, 'attributes': 'department',
        'claim_filter': '(employeeNumber={claim.employee_number})', **keys})


@pytest.mark.parametrize('mode', ['token_groups', 'in_chain', 'search', 'member_of'])
@pytest.mark.parametrize('way', ['ldaps', 'starttls'])
def test_active_directory(samba, tmp_path, way, mode):
    people = len(samba_ad.PERSONS) + 1  # and the reader itself
    extra = {'urls': samba.url, 'starttls': 'on'} if way == 'starttls' else {}
    run_live('ad', domain(tmp_path, samba, group_mode=mode, **extra), IDBRIDGE_LIVE_PEOPLE=str(people))


def test_active_directory_names(samba, tmp_path):
    run_live('ad_names', domain(tmp_path, samba))


# --- 389 Directory Server -------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def ds(tmp_path_factory):
    server = ds389.Ds389(tmp_path_factory.mktemp('ds'), ROOT / 'build/testcache')
    try:
        server.start()
    except ds389.Unavailable as reason:
        pytest.skip(f'NO 389-DS TESTS: {reason}')
    yield server
    server.stop()


@pytest.mark.parametrize('way, mode', [('ldaps', 'member_of'), ('starttls', 'search')])
def test_389_directory_server(ds, tmp_path, way, mode):
    extra = {'urls': ds.tls_url} if way == 'ldaps' else {'urls': ds.url, 'starttls': 'on'}
    run_live('ds', config(tmp_path, ds389.ADMIN_PASSWORD, type='389ds', ca_file=ds.ca_file, bind_dn=ds389.ADMIN, group_mode=mode,
                          people_base=ds389.PEOPLE, groups_base=f'ou=groups,{ds389.SUFFIX}', **extra))
