"""How do tests run a directory server that takes root, without leaving anything behind however the test run dies?

Used by samba_ad.py and ds389.py. Each of them is two programs. The tests use its class, a `Rooted`; that starts the file
itself as a second program, as root, directly or through `sudo -n`. The second program owns the server and its folder, reports
one JSON line when ready, obeys commands on its standard input, and ends and cleans up at end of file there.
Where there is neither root nor sudo `start` raises Unavailable, and the fixture skips with that reason.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from slapd import must, run  # noqa: E402


class Unavailable(Exception):
    """There can be no such server here; the text says why."""


# --- what the second program uses -----------------------------------------------------------------------------------

def report(**answer):
    print(json.dumps(answer), flush=True)


def obey(server):
    """One command a line, each answered: the caller may be another user and could not send signals itself."""
    signals = {'pause': signal.SIGSTOP, 'resume': signal.SIGCONT, 'kill': signal.SIGKILL}
    for line in sys.stdin:
        server.send_signal(signals[line.strip()])
        if line.strip() == 'kill':
            server.wait(10)
        print('done', flush=True)


def from_cache(cache, package, sources, folder, make, days):
    """`folder` as `make(folder)` leaves it, out of an archive in `cache`, which is made first where it is missing or old: it
    belongs to one version of the package and of the files it was made by. One maker at a time."""
    recipe = must('dpkg-query', '-W', package).encode() + b''.join(Path(s).read_bytes() for s in sources)
    archive = cache / f'{package}-{hashlib.sha256(recipe).hexdigest()[:12]}.tgz'
    with open(cache / f'{package}.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists() or time.time() - archive.stat().st_mtime > days * 86400:
            make(folder)
            with tarfile.open(f'{archive}.new', 'w:gz', compresslevel=1) as tar:
                tar.add(folder, folder.name)
            for older in cache.glob(f'{package}-*.tgz'):
                older.unlink()
            os.replace(f'{archive}.new', archive)
            return
    with tarfile.open(archive) as tar:
        tar.extractall(folder.parent)


# --- what tests use -------------------------------------------------------------------------------------------------

class Rooted:
    """One server. `directory` receives the CA; `cache` keeps what is costly to make between runs."""

    program = None  # the file to run
    why = None  # what it takes root for

    def __init__(self, directory, cache):
        self.directory, self.cache = Path(directory), Path(cache)
        self.answer = self.ca_file = self._program = None

    def _command(self):
        command = ['/usr/bin/python3', '-B', str(self.program), '--cache', str(self.cache.resolve())]
        if os.geteuid() == 0:
            return command
        if shutil.which('sudo') and run('sudo', '-n', 'true').returncode == 0:
            return ['sudo', '-n', *command]
        raise Unavailable(f'{self.why} need root or sudo without a password')

    def start(self):
        command = self._command()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.cache.mkdir(parents=True, exist_ok=True)
        self._program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = f'{Path(self.program).name} ended without a word'
        self.answer = json.loads(self._program.stdout.readline() or json.dumps({'error': said}))
        if 'ca' not in self.answer:
            self.stop()
            raise Unavailable(self.answer['unavailable']) if 'unavailable' in self.answer else RuntimeError(self.answer['error'])
        self.ca_file = self.directory / 'ca.pem'
        self.ca_file.write_text(self.answer['ca'])
        return self

    def _tell(self, command):
        self._program.stdin.write(command + '\n')
        self._program.stdin.flush()
        if self._program.stdout.readline() != 'done\n':
            raise RuntimeError(f'{self.program} did not {command}')

    def pause(self):
        self._tell('pause')

    def resume(self):
        self._tell('resume')

    def kill(self):
        self._tell('kill')

    def stop(self):
        if self._program is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._program.stdin.close()
        self._program.wait(30)
        self._program.stdout.close()
        self._program = None

    __enter__ = start

    def __exit__(self, *_):
        self.stop()
