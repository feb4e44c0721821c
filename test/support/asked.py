"""How does a test put questions to broker/directory itself, without a bridge around it?

    with Asked(folder, type='openldap', urls=server.url, people_base=..., ...) as directory:
        directory.login('amina.diallo')     {'result': 'ok', 'groups': [...], ...} as test/unit/directory/test_asked.c says

IDBRIDGE_UNIT_PROGRAMS names another build of that program."""
import json
import os
import select
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("IDBRIDGE_UNIT_PROGRAMS", ROOT / "build/asan/test/unit")) / "directory" / "test_asked"
ANSWER_S = 40


class Asked:
    def __init__(self, folder, password=None, **keys):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if password is not None:
            (folder / "password").write_text(password + "\n")
            keys = {"bind_password_file": "password", **keys}
        keys = {"network_timeout": "1s", "search_timeout": "2s", **keys}
        file = folder / "idbridge.ini"
        file.write_text("[directory staff]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))
        self.file, self.process = file, None

    def __enter__(self):
        self.process = subprocess.Popen([str(PROGRAM)], env={**os.environ, "IDBRIDGE_LIVE_CONFIG": str(self.file)}, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return self

    def __exit__(self, kind, *_):
        self.process.stdin.close()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert kind or status == 0, said[-3000:]  # the sanitizers' findings

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_S)
        answer = self.process.stdout.readline() if ready else ""
        if not answer:
            self.process.kill()
            raise AssertionError(f"no answer to {line}: {self.process.stderr.read()[-3000:]}")
        return json.loads(answer)

    def login(self, name):
        return self.ask("login " + name)

    def claims(self, claims):
        return self.ask("claims " + json.dumps(claims))

    def key(self, key):
        return self.ask("key " + key)

    def bind(self, name, password):
        return self.ask(f"bind {name} {password}")

    def clock(self, seconds):
        self.ask(f"clock {seconds}")

    def memory_kb(self):
        return self.ask("memory x")["kb"]


def names(person):
    """The names of the groups, sorted; the person must have been read whole."""
    assert person["result"] == "ok", person["detail"]
    return sorted(group["name"] for group in person["groups"])
