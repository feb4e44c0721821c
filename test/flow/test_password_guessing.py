"""Ten thousand bad passwords against one account, and one bad password against ten thousand accounts: how many reach the directory?

Tries are counted in the store before the bind (CVE-2023-47111, CVE-2024-4629), so as many as the configuration says, whatever runs
at the same time. The directory is the scripted one: everybody exists there, no password is right, and it lists every bind."""
import http.client
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode, urlsplit

import pytest
from flow_kit import App, Browser
from ldap_standin import Done, Entry, LdapStandin

TIMES, AT_ONCE = 10_000, 8
BASE, READER = "dc=x", "cn=reader,dc=x"
TRIES, ADDRESS_TRIES = 5, 100
WRONG = 49


def everybody(search):
    name = search.filter.partition("(uid=")[2].partition(")")[0]
    yield Entry(f"uid={name},ou=people,{BASE}", {"uid": [name], "cn": [name], "entryUUID": [f"id-{name}"]})


@pytest.fixture(scope="module")
def place(make_shared_ministry):
    with LdapStandin(answer=everybody, bind=lambda dn, _: [] if dn == READER else [Done(WRONG)]) as server:
        m = make_shared_ministry(settings={
            "listen": {"trusted_proxies": "127.0.0.1"}, "link": {"tries": str(TRIES)},
            "directory staff": {"urls": server.url, "bind_dn": READER, "people_base": f"ou=people,{BASE}", "groups_base": None,
                                "password_login_clients": "clinic", "password_login_tries": str(ADDRESS_TRIES)}})
        yield m, App(m, "clinic", options=("--sso", "never")), server


def guesses(m, app, names_and_addresses):
    """Each as one POST of the form; the pages' statuses, counted."""
    browser = Browser()
    form = browser.get(app.url(upstream="directory:staff")).form("/password")
    cookie = "; ".join(f"{c.name}={c.value}" for c in browser.jar)
    where = urlsplit(form["action"])

    def some(part):
        connection, seen = http.client.HTTPConnection(where.hostname, where.port, timeout=60), {}
        for name, address in part:
            body = urlencode({**form["fields"], "username": name, "password": "a bad one"})
            connection.request("POST", where.path, body, {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie,
                                                          "X-Forwarded-For": address, "Origin": m.issuer})
            answer = connection.getresponse()
            answer.read()
            seen[answer.status] = seen.get(answer.status, 0) + 1
        connection.close()
        return seen
    total = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for seen in pool.map(some, [names_and_addresses[n::AT_ONCE] for n in range(AT_ONCE)]):
            for status, count in seen.items():
                total[status] = total.get(status, 0) + count
    return total


def people_binds(server):
    return [dn for dn, _ in server.binds if dn != READER]


def test_bad_passwords_against_one_account_from_many_addresses(place):
    m, app, server = place
    before = len(people_binds(server))
    seen = guesses(m, app, [("victim", f"10.0.0.{n % 10}") for n in range(TIMES)])
    assert seen == {200: TRIES, 429: TIMES - TRIES}, seen
    assert people_binds(server)[before:] == [f"uid=victim,ou=people,{BASE}"] * TRIES


def test_one_bad_password_against_every_account_from_one_address(place):
    m, app, server = place
    before = len(people_binds(server))
    seen = guesses(m, app, [(f"person{n}", "11.0.0.1") for n in range(TIMES)])
    assert seen == {200: ADDRESS_TRIES, 429: TIMES - ADDRESS_TRIES}, seen
    bound = people_binds(server)[before:]
    assert len(bound) == len(set(bound)) == ADDRESS_TRIES
