"""An operator and a bridge that runs: backup and restore, reload, drain, health, metrics, keys that rotate.

Issue text: "`idbridge backup` (online) and `restore` (revokes codes, sessions and refresh tokens, marks the audit chain) …;
`/healthz`, `/readyz`, `/metrics` as design.md says; SIGHUP reload; SIGTERM drains"; "signing keys rotate (`idbridge key rotate`)".
"""
import http.client
import shutil
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flow_kit import AMINA, DEMO_PASSWORD, App, Browser, arrived, jwt_parts, links, log_rows, uid_of, users, wait_until

LINK = ("amina.diallo", DEMO_PASSWORD)
TOKEN = "/v1/esignet/oauth/v2/token"


def events(m, name):
    return [row for row in log_rows(m.log("bridge")) if row.get("event") == name]


def kids(m):
    return {key["kid"] for key in m.call("GET", m.issuer + "/jwks")[1]["keys"]}


# ---- backup and restore

def test_backup_while_running_and_restore(make_ministry):
    m = make_ministry()
    app = App(m, options=("--sso", "silent"))
    page = app.login(AMINA, LINK)
    browser, kept = page.browser, app.redeem(app.answer(page)["code"])[1]
    with ThreadPoolExecutor(2) as pool:
        logins = [pool.submit(m.login, AMINA) for _ in range(4)]
        said = m.run("backup", "copy.db").stdout
        assert [job.result().status for job in logins] == [200] * 4
    assert "master key is not in it" in said
    assert m.run("backup", "copy.db", check=False).returncode == 1  # never over another one
    assert (m.folder / "copy.db").stat().st_mode & 0o077 == 0
    person, rows = uid_of(m, "amina.diallo"), links(m)
    m.run("link", "remove", rows[0]["iss"], rows[0]["sub"])  # after the backup
    assert app.refresh(kept["refresh_token"])[0] == 400
    assert m.run("restore", "copy.db", check=False).returncode == 1  # not while the bridge runs
    assert m.stop("bridge") == 0
    assert "revoked" in m.run("restore", "copy.db").stdout
    m.start_bridge()
    assert links(m) == [{**row, "last": links(m)[0]["last"]} for row in rows]
    assert uid_of(m, "amina.diallo") == person
    assert app.refresh(kept["refresh_token"])[1]["error"] == "invalid_grant"  # what the backup brought back is revoked
    again = browser.get(app.url(), follow=app.stays)
    assert again.location is None and again.url.startswith(m.esignet)  # so is the session
    assert app.userinfo(kept["access_token"])[0] == 401
    assert m.login(AMINA).url == m.dhis2 + "/" and len(users(m)) == 1
    assert "the chain holds" in m.run("audit", "verify").stdout and "restore" in m.run("audit", "list").stdout


def test_a_backup_that_is_none_is_refused(ministry):
    m = ministry
    m.stop("bridge")
    (m.folder / "no.db").write_bytes(b"not a database" * 100)
    for name in ("no.db", "missing.db", "bridge.ini"):
        done = m.run("restore", name, check=False)
        assert done.returncode == 1 and done.stderr.startswith("idbridge: ")
    m.start_bridge()
    assert m.login(AMINA, link=LINK).url == m.dhis2 + "/"


# ---- SIGHUP

def hup(m):
    before = len(events(m, "reload"))
    m.processes["bridge"].send_signal(signal.SIGHUP)
    return wait_until(lambda: events(m, "reload")[before:])[0]["outcome"]


def edit(m, old, new):
    path = m.folder / "bridge.ini"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_reload_takes_a_good_configuration_and_keeps_a_bad_one_out(ministry):
    m = ministry
    assert m.login(AMINA, link=LINK).url == m.dhis2 + "/"
    edit(m, "label = National ID", "label = Karte")
    assert hup(m) == "ok"
    page = Browser().get(m.issuer + "/callback/national-id?error=access_denied")
    assert page.status == 400
    browser, _ = m.to_esignet()
    assert "Karte" in browser.get(m.issuer + "/callback/national-id?error=access_denied").text
    for old, new in (("label = Karte", "label = Karte\ncolour = red"), ("type = openldap", "type = novell"),
                     ("token_file = dhis2.token", "token_file = not.there"), ("method = password", "method = magic")):
        good = (m.folder / "bridge.ini").read_text()
        edit(m, old, new)
        assert "stays" in hup(m)
        (m.folder / "bridge.ini").write_text(good)
        assert m.login(AMINA).url == m.dhis2 + "/"
    assert hup(m) == "ok" and m.login(AMINA).url == m.dhis2 + "/"


def test_nobody_is_turned_away_during_reloads(ministry):
    m = ministry
    assert m.login(AMINA, link=LINK).url == m.dhis2 + "/"
    m.control("esignet", "fault", {"path_prefix": TOKEN, "delay_ms": 4000, "times": 1})
    before = arrived(m, "esignet", TOKEN)
    stop, failed, count = threading.Event(), [], [0]

    def knock():
        while not stop.is_set():
            try:
                assert m.call("GET", m.issuer + "/readyz", timeout=5)[0] == 200
                count[0] += 1
            except (OSError, AssertionError, http.client.HTTPException) as problem:
                failed.append(repr(problem))
            time.sleep(0.01)
    browser, url = m.to_esignet()
    callback = m.at_esignet(url, AMINA)
    with ThreadPoolExecutor(3) as pool:
        slow, knocking = pool.submit(browser.get, callback), pool.submit(knock)
        wait_until(lambda: arrived(m, "esignet", TOKEN) > before)
        assert hup(m) == "ok"  # while a login hangs at the ID provider
        assert m.login(AMINA).url == m.dhis2 + "/"
        assert slow.result().url == m.dhis2 + "/"
        assert hup(m) == "ok"
        stop.set()
        knocking.result()
    assert not failed and count[0] > 10, (failed[:3], count)


# ---- SIGTERM

def test_sigterm_lets_a_slow_login_finish(ministry):
    m = ministry
    assert m.login(AMINA, link=LINK).url == m.dhis2 + "/"
    m.control("esignet", "fault", {"path_prefix": TOKEN, "delay_ms": 4000, "times": 1})
    browser, url = m.to_esignet()
    callback, before = m.at_esignet(url, AMINA), arrived(m, "esignet", TOKEN)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(browser.get, callback, lambda to: not to.startswith(m.dhis2))
        wait_until(lambda: arrived(m, "esignet", TOKEN) > before)
        began = time.monotonic()
        assert m.stop("bridge") == 0
        page = job.result()
    assert time.monotonic() - began < 24  # as long as the login took, not as long as [listen] drain allows
    assert page.location.startswith(m.dhis2 + "/oauth2/code/bridge?code="), page.text[:300]
    assert not [word for word in ("Sanitizer", "runtime error") if word in m.log("bridge")]
    m.start_bridge()
    assert m.login(AMINA).url == m.dhis2 + "/"


def test_kill_minus_nine_loses_nothing_that_was_answered(ministry):
    m = ministry
    app = App(m, "killed")
    tokens = app.tokens(AMINA, LINK)
    m.stop("bridge", signal.SIGKILL)
    m.start_bridge()
    assert links(m, "amina.diallo") and app.refresh(tokens["refresh_token"])[0] == 200
    assert "the chain holds" in m.run("audit", "verify").stdout


# ---- health and metrics

def test_health_says_nothing_about_dependencies(ministry):
    m = ministry
    assert m.login(AMINA, link=LINK).url == m.dhis2 + "/"
    m.slapd.stop()
    m.stop("esignet")
    m.stop("dhis2")
    assert m.call("GET", m.issuer + "/healthz") == (200, "ok\n")
    assert m.call("GET", m.issuer + "/readyz") == (200, "ready\n")
    assert m.call("GET", m.issuer + "/.well-known/openid-configuration")[0] == 200
    assert m.call("GET", m.issuer + "/metrics")[0] == 404  # only on the second, loopback address
    status, text = m.call("GET", m.metrics + "/metrics")
    assert status == 200
    for series in ('idbridge_logins_total{by="provider"} ', 'idbridge_requests_total{route="callback",status="303"} ',
                   'idbridge_tokens_total{grant="person"} ', "idbridge_request_ms_bucket", "idbridge_queue_waiting", "idbridge_store_commit"):
        assert series in text, series
    assert m.call("GET", m.metrics + "/authorize")[0] == 404
    m.slapd.start()
    m.start_esignet()
    m.start_dhis2()
    assert m.login(AMINA).url == m.dhis2 + "/"


def test_the_log_has_one_line_per_request_with_its_way(ministry):
    m = ministry
    assert m.login(AMINA, link=LINK).url == m.dhis2 + "/"
    rows = events(m, "request")
    assert {"authorize", "callback", "link", "token", "userinfo"} <= {row["route"] for row in rows}
    assert all({"id", "route", "status", "ms"} <= set(row) for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)
    back = [row for row in rows if row["route"] == "callback"][-1]
    assert (back["upstream"], back.get("dhis2")) == ("national-id", "hmis")
    assert {(row.get("upstream"), row["dhis2"]) for row in rows if row["route"] == "link"} == {("national-id", "hmis")}
    assert {row["subject"] for row in rows if row["route"] == "link" and "subject" in row} == {events(m, "login")[0]["subject"]}


# ---- our own signing keys

def test_a_rotation_that_nobody_notices(make_ministry):
    m = make_ministry(settings={"keys": {"publish": "3s", "retire": "1h"}})
    assert m.login(AMINA, link=LINK).url == m.dhis2 + "/"
    app = App(m)
    before, signer = kids(m), jwt_parts(app.tokens(AMINA)["id_token"])[0]["kid"]
    assert "sign in 3 seconds" in m.run("key", "rotate").stdout
    published = wait_until(lambda: kids(m) - before)
    assert len(published) == 2 and before < kids(m)  # in the key set first, for every cache to see
    assert jwt_parts(app.tokens(AMINA)["id_token"])[0]["kid"] in {signer} | published
    end = time.monotonic() + 30
    seen = set()
    while time.monotonic() < end and not seen & published:  # DHIS2 takes every login before, during and after the change
        page = m.login(AMINA)
        assert page.url == m.dhis2 + "/", page.text[:300]
        seen.add(jwt_parts(app.tokens(AMINA)["id_token"])[0]["kid"])
        time.sleep(0.2)
    assert seen & published and before < kids(m)  # what the old key signed still verifies


def test_an_emergency_rotation(ministry):
    m = ministry
    assert m.login(AMINA, link=LINK).url == m.dhis2 + "/"
    app = App(m, "emergency")
    old = app.tokens(AMINA)
    stolen = jwt_parts(old["id_token"])[0]["kid"]
    m.run("key", "rotate", "--emergency")
    wait_until(lambda: jwt_parts(app.tokens(AMINA)["id_token"])[0]["kid"] != stolen)
    assert m.login(AMINA).url == m.dhis2 + "/"  # DHIS2 meets an unknown kid and reads the key set again
    assert app.userinfo(old["access_token"])[0] == 200  # until the stolen key is taken out
    assert m.run("key", "retire", jwt_parts(app.tokens(AMINA)["id_token"])[0]["kid"], check=False).returncode == 1  # it signs
    m.run("key", "retire", stolen)
    wait_until(lambda: stolen not in kids(m))
    stolen_access = jwt_parts(old["access_token"])[0]["kid"]
    m.run("key", "retire", stolen_access)
    wait_until(lambda: app.userinfo(old["access_token"])[0] == 401)
    assert "key.rotate.emergency" in m.run("audit", "list").stdout


def test_the_restored_process_runs_as_the_owner_of_its_state(ministry):
    m = ministry
    pid = m.processes["bridge"].pid
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    owner = (m.folder / "state").stat().st_uid
    assert {int(uid) for uid in status["Uid"].split()} == {owner}
    assert int(open(f"/proc/{pid}/limits").read().split("Max core file size")[1].split()[0]) == 0  # no secret in a core


def test_ports_taken_are_said(ministry):
    m = ministry
    done = m.run("serve", check=False)
    assert done.returncode == 1 and str(m.ports["bridge"]) in done.stderr, done
    assert m.call("GET", m.issuer + "/readyz")[0] == 200  # the running one is not disturbed


@pytest.mark.parametrize("words", [("serve", "x"), ("init", "x"), ("doctor", "x"), ("backup",), ("restore",), ("explain",), ("key", "retire"),
                                   ("key", "rotate", "x"), ("link", "move", "x"), ("map", "remove"), ("client", "remove"), ("upstream", "key")])
def test_wrong_usage_is_told(ministry, words):
    done = ministry.run(*words, check=False)
    assert done.returncode == 2 and "usage: idbridge" in done.stderr, done


def test_a_login_that_outlives_the_drain_is_answered_and_crashes_nothing(make_ministry):
    """The old life stops its pools while a job of it still waits for the ID provider; the connections that DHIS2 keeps to it
    close with their next answer, so nobody else meets those pools."""
    m = make_ministry(settings={"listen": {"drain": "4s"}})
    m.login(AMINA, link=("amina.diallo", DEMO_PASSWORD))
    browser, url = m.to_esignet()
    callback = m.at_esignet(url, AMINA)
    m.control("esignet", "fault", {"path_prefix": TOKEN, "delay_ms": 9000, "times": 1})
    before = arrived(m, "esignet", TOKEN)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(browser.get, callback)
        wait_until(lambda: arrived(m, "esignet", TOKEN) > before)
        assert hup(m) == "ok"
        assert m.login(AMINA).url == m.dhis2 + "/"  # meanwhile the new life answers, and the old one what DHIS2 still sends it
        page = slow.result()
        # told by us, or, where its code was out before the pools had stopped, by DHIS2 whose call for the token came too late
        assert page.status == 503 or page.url.startswith(m.dhis2 + "/"), (page.status, page.url)
        assert m.login(AMINA).url == m.dhis2 + "/"


def test_the_running_daemon_is_shut_in(make_ministry):
    """Landlock: a reload may name a file that the daemon may not read any more, though its user could."""
    m = make_ministry()
    if "landlock=on" not in m.log("bridge"):
        pytest.skip("this kernel has no Landlock")
    elsewhere = Path(tempfile.mkdtemp(prefix="elsewhere"))
    try:
        (elsewhere / "reader.password").write_text((m.folder / "reader.password").read_text())
        m.settings = {"directory staff": {"bind_password_file": str(elsewhere / "reader.password")}}
        m.write_config()
        assert m.run("config", "check").returncode == 0  # outside the sandbox it is readable
        m.processes["bridge"].send_signal(signal.SIGHUP)
        wait_until(lambda: "the running one stays" in m.log("bridge"))
        assert m.call("GET", m.issuer + "/readyz")[0] == 200
    finally:
        shutil.rmtree(elsewhere)
