"""A machine with the program, a configuration and nothing else: what an operator's commands say there."""
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = str(Path(os.environ.get("IDBRIDGE_BINARY") or ROOT / "build" / "asan" / "idbridge").resolve())
GOOD = "[bridge]\nissuer = http://127.0.0.1:8470\nmaster_key = master.key\n[store]\nfolder = state\n"


class Machine:
    """A new machine: a folder with a configuration and the program."""

    CACHE = ROOT / "build" / "testcache"  # of directories that take long to set up

    def __init__(self, folder, text=GOOD):
        self.folder, self.config = folder, folder / "idbridge.ini"
        self.config.write_text(text)
        (folder / "state").mkdir(mode=0o700, exist_ok=True)  # init as root gives one that it makes to a user idbridge

    def run(self, *words, text=None):
        return subprocess.run([BINARY, *words], capture_output=True, text=True, input=text, timeout=60, cwd=self.folder,
                              env={**os.environ, "IDBRIDGE_CONFIG": str(self.config)})

    def good(self, *words, text=None):
        done = self.run(*words, text=text)
        assert done.returncode == 0, done
        return done.stdout

    def bad(self, *words, status=1, text=None):
        done = self.run(*words, text=text)
        assert done.returncode == status, done
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        return done.stderr + done.stdout
