"""Login by the directory's password on Active Directory (Samba): it tells who knows the password why they may not, and
nobody else anything. The people are those of account_table.py; on OpenLDAP: test_password_login.py."""
from pathlib import Path

import pytest
import samba_ad
from account_table import PASSWORD
from flow_kit import App, Browser, claims_of, refusal
from rooted import Unavailable


@pytest.fixture(scope="module")
def clinic(tmp_path_factory, make_shared_ministry):
    server = samba_ad.SambaAd(tmp_path_factory.mktemp("ad"), Path(__file__).resolve().parents[2] / "build" / "testcache")
    try:
        server.start()
    except Unavailable as why:
        pytest.skip(str(why))

    def settings(m):
        (m.folder / "ad.password").write_text(samba_ad.READER_PASSWORD + "\n")
        return {"directory staff": {
            "type": "ad", "urls": server.tls_url, "ca_file": server.ca_file, "bind_dn": samba_ad.READER,
            "bind_password_file": "ad.password", "people_base": samba_ad.PEOPLE, "groups_base": samba_ad.BASE,
            "attributes": "department", "birth_date_attribute": None, "password_login_clients": "clinic"}}
    yield App(make_shared_ministry(settings=settings), "clinic")
    server.stop()


def sign_in(app, uid, password=PASSWORD):
    browser = Browser()
    page = browser.get(app.url(upstream="directory:staff"))
    return browser.submit(page.form("/password"), username=uid, password=password, follow=app.stays)


def test_the_right_password_signs_in_whatever_the_name_is_spelled_like(clinic):
    subs = set()
    for spelling in ("normal", "NORMAL"):
        claims = claims_of(clinic.redeem(clinic.answer(sign_in(clinic, spelling))["code"])[1]["id_token"])
        assert claims["amr"] == ["pwd"]
        subs.add(claims["sub"])
    assert len(subs) == 1


@pytest.mark.parametrize("uid,reason", [("expired", "person_expired"), ("oldpassword", "person_password_expired"),
                                        ("mustchange", "person_must_change"), ("offhours", "person_logon_hours")])
def test_who_knows_the_password_is_told_why_not(clinic, uid, reason):
    refusal(clinic.m, sign_in(clinic, uid), reason, 403)


def test_everybody_else_is_told_nothing(clinic):
    stranger = sign_in(clinic, "nobody.here")
    assert stranger.status == 200 and "do not match" in stranger.text
    for uid, password in (("disabled", PASSWORD), ("lockedout", PASSWORD), ("expired", "wrong"), ("offhours", "wrong"), ("mustchange", "wrong"),
                          ("normal", "wrong")):
        page = sign_in(clinic, uid, password)
        assert page.status == 200 and page.text == stranger.text, uid
