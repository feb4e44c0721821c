"""How do tests get a real 389 Directory Server, with a person for each account state and nested groups?

Used by test/flow/test_directory.py where Debian's 389-ds-base is installed; `make check` does not install it, as it takes
seven seconds to make an instance. Plain dscreate writes to /etc and /var and calls systemctl; a PREFIX with a
defaults.inf of its own keeps everything in one folder. Root, or a member of group dirsrv (/etc/dirsrv is not world-readable).
"""

import getpass
import grp
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from slapd import ENVIRONMENT, free_port, must, run  # noqa: E402

SUFFIX, ADMIN, ADMIN_PASSWORD = 'dc=example,dc=org', 'cn=Directory Manager', 'Adm1n-Pass!'
PASSWORD = 'Health-Demo-1'
INSTANCE = 't1'
SYSTEM_INF = Path('/usr/share/dirsrv/inf/defaults.inf')
PERSONS = {'normal': {}, 'disabled': {'nsAccountLock': 'true'}, 'victim': {}, 'nogroup': {},
           'oldpassword': {'passwordExpirationTime': '20200101000000Z'}}
CONFIG = {
    'cn=config': {'nsslapd-listenhost': '127.0.0.1', 'passwordLockout': 'on', 'passwordMaxFailure': '3',
                  'passwordLockoutDuration': '1800', 'passwordExp': 'on'},
    'cn=MemberOf Plugin,cn=plugins,cn=config': {'nsslapd-pluginEnabled': 'on', 'memberOfAutoAddOC': 'inetUser'}}


def missing():
    """Why there can be no 389-ds here, or None."""
    if not SYSTEM_INF.exists() or not shutil.which('dscreate', path=ENVIRONMENT['PATH']):
        return '389-ds-base is not installed'
    if not os.access('/etc/dirsrv/schema', os.R_OK):
        return '/etc/dirsrv cannot be read: be root or a member of group dirsrv'
    return None


def entries():
    for name, more in PERSONS.items():
        attributes = {'passwordExpirationTime': '20991231000000Z', **more}
        yield (f'dn: uid={name},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\n'
               f'mail: {name}@example.org\nuserPassword: {PASSWORD}\n' + ''.join(f'{k}: {v}\n' for k, v in attributes.items()))
    inner = f'uid=normal,ou=people,{SUFFIX}'
    for group in ('inner', 'middle', 'outer'):
        yield f'dn: cn={group},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: {group}\nmember: {inner}\n'
        inner = f'cn={group},ou=groups,{SUFFIX}'


class Ds389:
    """One instance in `directory`, plain LDAP on loopback."""

    def __init__(self, directory):
        self.root, self.port, self.process = Path(directory), free_port(), None

    @property
    def url(self):
        return f'ldap://127.0.0.1:{self.port}'

    @property
    def instance(self):
        return self.root / f'etc/dirsrv/slapd-{INSTANCE}'

    def _prefix(self):
        for folder in ('share/dirsrv/inf', 'etc/dirsrv', 'etc/default', 'tmp', 'run/lock', 'run/dirsrv', 'var', 'dev/shm'):
            (self.root / folder).mkdir(parents=True)
        for part in ('config', 'schema'):
            shutil.copytree(f'/etc/dirsrv/{part}', self.root / 'etc/dirsrv' / part)
        for part in ('data', 'schema'):
            (self.root / 'share/dirsrv' / part).symlink_to(f'/usr/share/dirsrv/{part}')
        text = re.sub(r'= /(etc|var|run|tmp|dev)\b', rf'= {self.root}/\1', SYSTEM_INF.read_text())
        owner = {'prefix': self.root, 'with_systemd': 0, 'user': getpass.getuser(), 'group': grp.getgrgid(os.getgid()).gr_name}
        for key, value in owner.items():
            text = re.sub(rf'^{key} = .*', f'{key} = {value}', text, flags=re.M)
        (self.root / 'share/dirsrv/inf/defaults.inf').write_text(text)

    def _create(self):
        answers = {'general': {'config_version': 2, 'full_machine_name': 'localhost', 'strict_host_checking': False,
                               'selinux': False, 'systemd': False, 'start': True},
                   'slapd': {'instance_name': INSTANCE, 'root_dn': ADMIN, 'root_password': ADMIN_PASSWORD, 'port': self.port,
                             'self_sign_cert': False, 'user': getpass.getuser(), 'group': grp.getgrgid(os.getgid()).gr_name},
                   'backend-userroot': {'suffix': SUFFIX, 'create_suffix_entry': True, 'sample_entries': 'no'}}
        file = self.root / 'ds.inf'
        file.write_text(''.join(f'[{section}]\n' + ''.join(f'{k} = {v}\n' for k, v in keys.items())
                                for section, keys in answers.items()))
        environment = {**ENVIRONMENT, 'PREFIX': str(self.root)}
        must('dscreate', 'from-file', file, timeout=90, env=environment)
        self._modify(''.join(f'dn: {dn}\nchangetype: modify\n' + ''.join(f'replace: {k}\n{k}: {v}\n-\n' for k, v in keys.items()) + '\n'
                             for dn, keys in CONFIG.items()))
        must('dsctl', INSTANCE, 'stop', timeout=60, env=environment)  # the plugin works after a restart

    def _client(self, tool, ldif):
        return must(tool, '-x', '-H', self.url, '-D', ADMIN, '-w', ADMIN_PASSWORD, input=ldif)

    def _modify(self, ldif):
        return self._client('ldapmodify', ldif)

    def _launch(self):
        pid_file = self.root / 'run/dirsrv/pid'
        self.process = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', 'ns-slapd', '-D', self.instance, '-i', pid_file, '-d', '0'],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env=ENVIRONMENT)
        for _ in range(600):
            if run('ldapsearch', '-x', '-H', self.url, '-s', 'base', '-b', '', '1.1').returncode == 0:
                return
            if self.process.poll() is not None:
                raise RuntimeError('ns-slapd ended at once')
            time.sleep(0.05)
        raise RuntimeError('ns-slapd does not answer')

    def start(self):
        self._prefix()
        self._create()
        self._launch()
        places = ''.join(f'dn: ou={ou},{SUFFIX}\nobjectClass: organizationalUnit\nou: {ou}\n\n' for ou in ('people', 'groups'))
        self._client('ldapadd', places + '\n'.join(entries()))
        return self

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    __enter__ = start

    def __exit__(self, *_):
        self.stop()
