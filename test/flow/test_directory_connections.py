"""What do logins notice of one stuck connection, of a server that hangs, drips or is cut off, of certificates that are wrong in
every way, and may the machine's ldap.conf change anything? Real slapd servers, with a forwarder before them where the trouble is on
the wire; the questions are asked by test/unit/directory/test_connections.c, and by the whole bridge where its environment counts."""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "support"), str(ROOT / "test" / "flow")]
import test_directory as live  # noqa: E402  (how a program of test/unit/directory is run against servers)
from flow_kit import IDS, refusal, wait_until  # noqa: E402
from ministry import DEMO_PASSWORD  # noqa: E402
from slapd import ENVIRONMENT, PATH, READER, SUFFIX, Slapd, lasting_port  # noqa: E402
from tls import Authority, Certificate  # noqa: E402

PEOPLE = 150


class Wire:
    """Stands before a server. `stick`: the next connection that carries an answer carries no more; `cut`: the next answer ends in its
    middle, and the connection with it; `slow`: every answer 0.1 s late; `drip`: a byte at a time."""

    def __init__(self, server):
        self.server, self.mode, self.lock = server, None, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.open = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def order(self, mode):
        with self.lock:
            self.mode = mode

    def stick(self):
        self.order("stick")

    def cut(self):
        self.order("cut")

    def slow(self):
        self.order("slow")

    def drip(self):
        self.order("drip")

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection((self.server.host, self.server.port))
                self.open += [client, server]
                threading.Thread(target=self.pump, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self.pump, args=(server, client, True), daemon=True).start()

    def once(self, mode):
        with self.lock:
            mine = self.mode == mode
            if mine:
                self.mode = None
            return mine

    def pump(self, source, target, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_answer and self.once("stick"):
                    return
                if is_answer and self.once("cut"):
                    target.sendall(data[:len(data) // 2])
                    target.shutdown(socket.SHUT_RDWR)
                    return
                if is_answer and self.mode == "slow":
                    time.sleep(0.1)
                step = 1 if is_answer and self.mode == "drip" else len(data)
                for at in range(0, len(data), step):
                    target.sendall(data[at:at + step])
                    time.sleep(0.2 if step == 1 else 0)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self):
        for one in self.open:
            one.close()


def run(group, file, servers=None, **environment):
    """One group of test_connections.c."""
    binary = live.PROGRAMS / "test_connections"
    environment = {**os.environ, "IDBRIDGE_LIVE_CONFIG": str(file), **environment}
    program = subprocess.Popen(["timeout", "60", str(binary), group], env=environment, text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = []
    with program:
        for line in program.stdout:
            said.append(line)
            if line.startswith("ask "):
                _, act, name = line.split()
                live.act_on(servers[name], act)
                program.stdin.write("done\n")
                program.stdin.flush()
    assert program.returncode == 0, "".join(said)
    return "".join(said)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp("slapd"), tls=True, people=PEOPLE) as server:
        yield server


@pytest.fixture
def wire(slapd):
    made = Wire(slapd)
    yield made
    made.close()


# ---- connections

def test_one_stuck_of_eight_holds_nobody_else(slapd, wire, tmp_path):
    file = live.ministry(tmp_path, f"ldap://127.0.0.1:{wire.port}", pool_size="8", search_timeout="3s")
    print(run("stuck", file, {"w": wire}))


@pytest.mark.parametrize("way", ["ldap", "ldaps"])
def test_a_hung_server_costs_once_and_comes_back(slapd, tmp_path, way):
    with contextlib.ExitStack() as stack:
        servers = {name: slapd.copy(tmp_path / name, port=lasting_port(), tls_port=lasting_port()) for name in "ab"}
        for server in servers.values():
            stack.callback(server.stop)
        urls = " ".join(s.tls_url if way == "ldaps" else s.url for s in servers.values())
        run("back", live.ministry(tmp_path, urls, ca_file=slapd.ca_file), servers)


def test_a_refused_account_is_not_hammered(slapd, tmp_path):
    with contextlib.closing(slapd.copy(tmp_path / "own")) as own:
        run("refused", live.ministry(tmp_path, own.url, password="not this"))
        entry = own.search("(objectClass=*)", "pwdFailureTime", base=READER, scope="base", dn=f"cn=admin,{SUFFIX}",
                           password=own.admin_password)[0]
        assert len(entry["pwdFailureTime"]) == 1  # 21 questions


@pytest.mark.parametrize("trouble", ["cut", "slow", "dripping"])
def test_trouble_on_the_wire(slapd, wire, tmp_path, trouble):
    run(trouble, live.ministry(tmp_path, f"ldap://127.0.0.1:{wire.port}", group_cache="0"), {"w": wire})


def test_referrals_are_not_followed(slapd, tmp_path):
    """Neither one among the people, which may hide one of them, nor one instead of an answer."""
    trap = socket.create_server(("127.0.0.1", 0))
    trap.settimeout(0.5)
    elsewhere = f"ldap://127.0.0.1:{trap.getsockname()[1]}"
    with Slapd(tmp_path / "own", people=PEOPLE, directives=f'referral "{elsewhere}"\n') as own:
        added = own.client("ldapadd", "-M", input=f"dn: ou=abroad,ou=people,{SUFFIX}\nobjectClass: referral\nobjectClass: "
                                                  f"extensibleObject\nou: abroad\nref: {elsewhere}/ou=people,{SUFFIX}\n")
        assert added.returncode == 0, added.stderr
        run("refuses", live.ministry(tmp_path, own.url), IDBRIDGE_LIVE_REASON="referrals are not followed")
        run("refuses", live.ministry(tmp_path, own.url, people_base="ou=people,dc=somewhere,dc=else"), IDBRIDGE_LIVE_REASON="referrals are not followed")
    with pytest.raises(TimeoutError):
        trap.accept()
    trap.close()


# ---- certificates

def tls_server(folder, authority, **options):
    return Slapd(folder / "own", tls=authority, people=PEOPLE, **options)


def issued(folder, **options):
    """An authority that has issued the server's certificate already, in a way it should not."""
    authority = Authority(folder / "tls")
    authority.issue("slapd", **options)
    return authority


CERTIFICATES = {
    "expired": ({"days": -1}, "certificate has expired"),
    "wrong_name": ({"alt_names": ("ldap.other.example",)}, "and the URL says 127.0.0.1"),
}


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
@pytest.mark.parametrize("what", [*CERTIFICATES, "self_signed"])
def test_a_certificate_that_is_wrong(tmp_path, what, way):
    authority = Authority(tmp_path / "tls")
    reason = "self-signed certificate"
    if what == "self_signed":
        cert = Certificate(authority.directory / "slapd.pem", authority.directory / "slapd.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", cert.key, "-out", cert.cert], check=True, capture_output=True)
    else:
        options, reason = CERTIFICATES[what]
        issued(tmp_path, **options)
    server = tls_server(tmp_path, authority)
    with server:
        urls = server.tls_url if way == "ldaps" else server.url
        file = live.ministry(tmp_path, urls, ca_file=authority.ca, starttls="on" if way == "starttls" else "off")
        if way == "ldaps":
            run("refuses", file, IDBRIDGE_LIVE_REASON=reason, IDBRIDGE_LIVE_DOCTOR="1")
        run("refuses", file, IDBRIDGE_LIVE_REASON="certificate is not accepted")


@pytest.mark.parametrize("versions,answers", [("+VERS-TLS1.0", False), ("+VERS-TLS1.1", False), ("+VERS-TLS1.2", True)])
def test_old_tls_is_not_spoken(tmp_path, versions, answers):
    """A real slapd that speaks that version alone; TLS 1.2 shows that nothing else is in the way."""
    authority = Authority(tmp_path / "tls")
    with tls_server(tmp_path, authority, directives=f"TLSCipherSuite LEGACY:-VERS-ALL:{versions}:%COMPAT\n") as server:
        file = live.ministry(tmp_path, server.tls_url, ca_file=authority.ca)
        if answers:
            run("answers", file)
        else:
            run("refuses", file, IDBRIDGE_LIVE_REASON="speaks no TLS 1.2")


# ---- the bridge's own certificate

@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_sasl_external_by_a_client_certificate(tmp_path, way):
    authority = Authority(tmp_path / "tls")
    mine = authority.issue("bridge", ("bridge.health.example",))
    lost = tmp_path / "lost"  # libldap over GnuTLS forgets one copy of a client certificate per context; tls.c makes one
    lost.write_text("leak:gnutls_x509_privkey_init\nleak:gnutls_x509_crt_init\n")
    rules = f'TLSVerifyClient demand\nauthz-regexp "^cn=bridge.health.example$" "{READER}"\n'
    with tls_server(tmp_path, authority) as server:  # loads and waits as ever, without client certificates
        pass
    server.directives = rules
    server._wait = lambda deadline: wait_listening(server, deadline)
    with server:
        file = live.ministry(tmp_path, server.tls_url if way == "ldaps" else server.url, ca_file=authority.ca, bind_dn="",
                             bind_password_file="", client_cert_file=mine.cert, client_key_file=mine.key,
                             starttls="on" if way == "starttls" else "off")
        run("answers", file, LSAN_OPTIONS=f"print_suppressions=0:suppressions={lost}")
        without = live.ministry(tmp_path, server.tls_url if way == "ldaps" else server.url, ca_file=authority.ca,
                                starttls="on" if way == "starttls" else "off")
        run("refuses", without, IDBRIDGE_LIVE_REASON="contact LDAP server")


def test_sasl_external_by_the_user_of_the_process(tmp_path):
    """ldapi:// and no bind_dn: the server asks the kernel who we are."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as folder:  # short: the path of a socket has 107 bytes
        peer = f"uidNumber={os.getuid()},cn=peercred,cn=external,cn=auth"
        with Slapd(folder, people=PEOPLE, directives=f'authz-regexp "{peer}$" "{READER}"\n'):
            pass
        url = f"ldapi://{folder.replace('/', '%2F')}%2Fldapi"
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "slapd", "-d", "none", "-f", "slapd.conf", "-h", url], cwd=folder,
                                   env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: (Path(folder) / "ldapi").exists())
            run("answers", live.ministry(tmp_path, url, bind_dn="", bind_password_file=""))
        finally:
            process.terminate()
            process.wait(10)


def wait_listening(server, deadline):
    while True:
        with contextlib.suppress(OSError), socket.create_connection((server.host, server.tls_port), 1):
            return
        assert time.monotonic() < deadline and server.process.poll() is None
        time.sleep(0.02)


# ---- the machine's own settings

def test_ldap_conf_of_the_machine_counts_for_nothing(make_ministry, tmp_path):
    """Environment, ldap.conf, ~/.ldaprc and a ldaprc in the working folder say: any certificate will do. The bridge does not agree."""
    stranger, port = Authority(tmp_path / "stranger", "a CA nobody trusts"), lasting_port()
    hostile = f"TLS_REQCERT never\nTLS_CACERT {stranger.ca}\nURI ldap://127.0.0.1:1\nTLS_PROTOCOL_MIN 3.0\nREFERRALS on\n"
    for name in (".ldaprc", "ldaprc", "ldap.conf"):
        (tmp_path / name).write_text(hostile)
    m = make_ministry(
        settings=lambda m: {"directory staff": {"urls": f"ldaps://127.0.0.1:{port}", "ca_file": Authority(tmp_path / "ours").ca}},
        environment={"HOME": str(tmp_path), "LDAPRC": "ldaprc", "LDAPCONF": str(tmp_path / "ldap.conf"), "LDAPTLS_REQCERT": "never",
                     "LDAPTLS_CACERT": str(stranger.ca), "LDAPREFERRALS": "on"})
    with contextlib.closing(m.slapd.copy(tmp_path / "theirs", port=lasting_port(), tls=stranger, tls_port=port)):
        page = m.login(IDS["amina.diallo"], link=("amina.diallo", DEMO_PASSWORD))
        refusal(m, page, "directory_down", 503)
        said = m.run("doctor", check=False).stdout
        assert "certificate is not accepted" in said, said


def test_openssl_and_slapd_are_there():
    assert shutil.which("openssl") and shutil.which("slapd", path=PATH)
