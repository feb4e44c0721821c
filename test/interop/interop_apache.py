"""An Apache of our own beside the machine's: a temporary ServerRoot, one port, the modules a test names, ended with it.

Nothing of /etc/apache2 is read. As root its children run as www-data, so its files lie in a folder that they can read.
"""
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

APACHE = "/usr/sbin/apache2"
MODULES = Path("/usr/lib/apache2/modules")
BASE = ("mpm_event", "authn_core", "authz_core", "authz_user", "headers")
START_LIMIT_S = 20


class Apache:
    """pages: {path: text}; configuration: directives; modules: names without mod_ and .so."""

    def __init__(self, port, configuration, pages, modules):
        self.origin = f"http://127.0.0.1:{port}"
        self.folder = Path(tempfile.mkdtemp(prefix="idb-apache"))
        self.folder.chmod(0o755)
        for path, text in {"started.txt": "started", **pages}.items():
            page = self.folder / "www" / path
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text)
        (self.folder / "apache.conf").write_text(self._configuration(port, configuration, modules))
        self.log = self.folder / "error.log"
        self.process = subprocess.Popen([APACHE, "-DFOREGROUND", "-f", str(self.folder / "apache.conf")],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log, "ab"))
        self._wait()

    def _configuration(self, port, configuration, modules):
        lines = [f'ServerRoot "{self.folder}"', f"ServerName 127.0.0.1:{port}", f"Listen 127.0.0.1:{port}", f'PidFile "{self.folder}/pid"',
                 f'DefaultRuntimeDir "{self.folder}"', "Mutex posixsem", f'ErrorLog "{self.folder}/error.log"', "LogLevel info",
                 "StartServers 1", "ThreadsPerChild 5", "MaxRequestWorkers 10", "MinSpareThreads 1", "MaxSpareThreads 10"]
        lines += [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in (*BASE, *modules)]
        if os.getuid() == 0:
            user = pwd.getpwnam("www-data")
            lines += [f"User #{user.pw_uid}", f"Group #{user.pw_gid}"]
        lines += [f'DocumentRoot "{self.folder}/www"', f'<Directory "{self.folder}/www">', "Require all granted", "</Directory>",
                  "ForceType text/plain", configuration]
        return "\n".join(lines) + "\n"

    def _wait(self):
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                with urllib.request.urlopen(self.origin + "/started.txt", timeout=2):
                    return
            except (OSError, urllib.error.URLError) as problem:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    text = self.log.read_text()
                    self.stop()
                    raise RuntimeError(f"apache2 did not start: {problem}\n{text[-2000:]}") from None
                time.sleep(0.05)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
