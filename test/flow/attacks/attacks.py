"""Which attack is kept out by which guard, and which test says so? One row per attack. Read by test_attack_list.py, which fails when
a class has no row or a row no test, and by test/mutants.py, which compiles each guard out and expects its tests to go red.

CLASSES are the numbered CVE classes and the items of RFC 9700 that the project's list of attacks has; NOT_APPLICABLE says
of the few that meet nothing here why. A test is "file::name"; files are in this folder unless the path says otherwise. A guard is
the name in GUARD(name, …) of the C code, with the tests that must fail without it.
"""
from typing import NamedTuple

CVE = {
    1: "CVE-2023-37464 cjose: short GCM tag", 2: "CVE-2026-53939 cjose: all-zero CEK", 3: "CVE-2026-53938 cjose: odd wrapped key",
    4: "CVE-2026-54431 liboauth2: DPoP proof with a private key", 5: "CVE-2026-44699 libjwt: RSA JWK without alg and an HS256 token",
    6: "CVE-2026-27962, CVE-2026-34240, CVE-2018-0114: key or key address in the header", 7: "GHSA-9ggr-2464-2j32: unknown crit",
    8: "CVE-2015-9235, CVE-2016-10555, CVE-2022-29217: alg none, RS to HS", 9: "CVE-2022-21449: psychic ECDSA",
    10: "CVE-2023-52428, CVE-2022-36083, CVE-2024-28176, CVE-2024-28180: PBES2 and zip bombs", 11: "CVE-2017-16007: invalid curve",
    12: "CVE-2024-25189: comparison that tells time", 13: "CVE-2022-23527, CVE-2021-32786, CVE-2019-3877, CVE-2024-25715 …: open redirects",
    14: "CVE-2024-24814, CVE-2023-28625, CVE-2025-3891: crafted cookies, POST without a type", 15: "CVE-2025-31492: body beside a redirect",
    16: "CVE-2021-32785, CVE-2021-32791, CVE-2021-32792: Redis format string, static IV, XSS in a preserved POST",
    17: "CVE-2017-6413: identity headers from outside", 18: "CVE-2022-39222 dex: a step that is not bound to the browser",
    19: "CVE-2020-26290, CVE-2020-15216: two parsers, two meanings", 20: "CVE-2024-23656: TLS minimum dropped",
    21: "CVE-2023-6291, CVE-2023-6134, CVE-2024-1132, CVE-2024-8883 …: redirect_uri by pattern", 22: "CVE-2020-10770, CVE-2023-44469: SSRF",
    23: "CVE-2026-9087, CVE-2025-7365, CVE-2026-56223: linking by e-mail", 24: "CVE-2025-0604, CVE-2022-2232, CVE-2024-5967, CVE-2026-9801, "
    "CVE-2017-14623: directory accounts", 25: "CVE-2024-4629, CVE-2023-47111: limits passed in parallel",
    26: "CVE-2023-2422, CVE-2024-10039: client certificate in a header", 27: "CVE-2023-6787: session swap with prompt=login",
    28: "CVE-2024-4540: request parameters readable in a cookie", 29: "CVE-2022-1245: token exchange to any client",
    30: "CVE-2023-48228, CVE-2024-23647, CVE-2024-22258: PKCE downgrade", 31: "CVE-2020-15222, CVE-2020-5300, CVE-2020-15234: jti reuse, case",
    32: "CVE-2025-31123: expired keys still accepted", 33: "CVE-2024-47070, CVE-2023-36456: X-Forwarded-For", 34: "CVE-2024-52289: regex dot",
    35: "CVE-2022-29967, CVE-2021-45379, CVE-2023-49208, CVE-2022-27240, CVE-2021-40818: path traversal, overflows",
    36: "CVE-2026-49283: a validator that did not throw, across providers",
}
RFC9700 = ("exact redirect_uri", "code and PKCE S256 only", "no implicit", "no password grant", "code once and short-lived", "code bound",
           "reuse revokes", "iss in answers", "redirect URI per provider", "bound to the browser", "no open redirector", "303",
           "refresh rotation", "audience and scope", "no tokens in URLs", "referrer and framing", "TLS end to end", "forwarded headers",
           "private_key_jwt", "metadata", "client credentials are no user", "no CORS at authorize", "postMessage")
CLASSES = {**{f"cve {n}": text for n, text in CVE.items()}, **{f"rfc9700 {text}": text for text in RFC9700}}
NOT_APPLICABLE = {
    "cve 4": "no DPoP proof is taken; the eSignet side sends none",
    "rfc9700 postMessage": "pages hold no script and no answer is posted to a window",
}


class Attack(NamedTuple):
    name: str
    covers: str    # classes, separated by "; "
    tests: tuple
    guards: dict   # name -> tests that must go red without it


T, M, O, B, W, F, S, C = (f"test_{name}.py::test_" for name in ("tampered", "mix_up", "oauth_attacks", "browser_attacks", "wire", "floods",
                                                               "behind_tls", "canaries"))
P, PASSWORDS = "test_passwords.py::test_", "flow/test_password_login.py::"
UNIT, LINKING, REFUSALS = "unit/token/", "flow/test_linking.py::", "flow/test_refusals.py::"
HIT = T + "tampered_answer_signs_nobody_in[%s]"
JWE = T + "tampered_jwe_signs_nobody_in[%s]"


def hits(*names):
    return tuple(HIT % name for name in names)


ATTACKS = [
    Attack("an application asks for more than it is registered for", "rfc9700 audience and scope",
           ("test_applications.py::test_scope_is_what_the_client_is_registered_for",),
           {"scope_registered": ("test_applications.py::test_scope_is_what_the_client_is_registered_for",)}),
    Attack("a client is taken for a person", "rfc9700 client credentials are no user",
           ("test_applications.py::test_a_client_id_is_never_a_person_id",
            "test_applications.py::test_registrations_that_would_be_a_hole_are_refused"), {}),
    Attack("forged assertions hold our threads or an honest client's place", "cve 22",
           ("test_applications.py::test_a_silent_jwks_uri_holds_nobody_else",
            "test_applications.py::test_forged_assertions_neither_fetch_nor_lock_out"), {}),
    Attack("a session answers for a stronger sign-in", "cve 27",
           ("test_applications.py::test_a_session_does_not_answer_for_a_stronger_sign_in",), {}),
    Attack("another provider names anybody by a claim", "cve 23; cve 36",
           (LINKING + "test_search_is_for_providers_that_are_trusted_with_it", LINKING + "test_nobody_is_searched_by_e_mail",
            LINKING + "test_search_by_a_verified_claim"),
           {"search_provider": (LINKING + "test_search_is_for_providers_that_are_trusted_with_it",),
            "search_email": (LINKING + "test_nobody_is_searched_by_e_mail",)}),
    Attack("a corrected link or a removed application goes on", "rfc9700 refresh rotation",
           (LINKING + "test_a_moved_link_ends_what_the_other_person_got", LINKING + "test_an_application_removed_during_a_login_gets_no_code"),
           {"link_unchanged": (LINKING + "test_a_moved_link_ends_what_the_other_person_got",),
            "client_unchanged": (LINKING + "test_an_application_removed_during_a_login_gets_no_code",)}),
    # ---- tokens
    Attack("encrypted answer that was altered", "cve 1; cve 2; cve 3", (
        UNIT + "test_decrypt.c::zero_cek_opens_nothing", UNIT + "test_decrypt.c::odd_wrapped_keys_are_refused", JWE % "jwe_broken_tag",
        T + "plain_signed_userinfo_is_refused_where_jwe_is_configured"),
        {"gcm_tag": (UNIT + "test_decrypt.c::short_gcm_tag_is_refused",), "jwe_alg": (UNIT + "test_decrypt.c::the_caller_and_the_key_choose_the_alg",), "jwe_enc": (JWE % "jwe_enc",)}),
    Attack("public key or published secret as HMAC secret", "cve 5; cve 8", (UNIT + "test_gate.c::public_key_is_no_hmac_secret",),
           {"published_secret": (M + "hmac_with_a_published_key_is_refused",), "key_fits": (UNIT + "test_keys.c::labels_of_a_key_are_respected",)}),
    Attack("key or key address that the token brings itself", "cve 6; cve 7", (
        M + "key_address_in_a_token_is_never_fetched", O + "forged_and_altered_tokens_are_refused", *hits("id_token_jku", "id_token_jwk_header"),
        UNIT + "test_gate.c::critical_extensions_are_refused"), {"forbidden_header": hits("id_token_crit", "id_token_jku")}),
    Attack("algorithm of the sender's choice", "cve 8", hits("id_token_alg_none", "userinfo_alg_none", "id_token_hs256", "userinfo_hs256"),
           {"alg_list": hits("id_token_rs256")}),
    Attack("signature by nobody we know", "cve 9", (UNIT + "test_gate.c::psychic_signature_is_refused", *hits("id_token_no_signature")), {
        "signature": hits("id_token_bad_signature", "id_token_foreign_key_same_kid", "userinfo_foreign_key_same_kid")}),
    Attack("token that grows or costs without end", "cve 10", (UNIT + "test_decrypt.c::pbes2_rsa15_and_zip_are_refused", JWE % "jwe_zip",
           B + "garbage_state_is_refused"), {"token_size": (UNIT + "test_gate.c::oversized_tokens_are_refused_before_parsing",)}),
    Attack("key agreement off the curve", "cve 11", (UNIT + "test_decrypt.c::invalid_curve_is_refused",
                                                    UNIT + "test_keys.c::off_curve_points_are_refused"), {}),
    Attack("secret guessed by the time of a comparison", "cve 12", ("test_attack_list.py::test_secrets_are_compared_in_constant_time",), {}),
    Attack("token of another kind, party, time or login", "rfc9700 audience and scope", hits("id_token_no_aud", "userinfo_no_aud", "id_token_empty_sub"), {
        "claim_iss": hits("id_token_iss", "userinfo_iss", "id_token_no_iss"), "claim_aud": hits("id_token_aud", "userinfo_aud"),
        "claim_azp": hits("id_token_azp", "id_token_aud_list"), "claim_exp": hits("id_token_expired", "id_token_no_exp", "userinfo_expired"),
        "claim_nbf": hits("id_token_nbf_future", "userinfo_nbf_future"), "claim_iat": hits("id_token_iat_future", "id_token_no_iat"),
        "claim_nonce": hits("id_token_nonce", "id_token_no_nonce"), "claim_sub": (UNIT + "test_claims.c::sub_is_compared",),
        "token_typ": hits("id_token_typ"), "id_token_sub": (M + "sub_that_no_store_should_hold_is_refused",), "at_hash": hits("id_token_at_hash"),
        "auth_time": hits("id_token_auth_time_old"), "acr": hits("id_token_acr", "id_token_no_acr"), "token_type": hits("token_type"),
        "userinfo_sub": hits("userinfo_sub", "id_token_sub"), "userinfo_type": (M + "userinfo_of_another_media_type_is_refused",)}),
    Attack("forged tokens that make the bridge hammer the provider", "cve 32", (
        T + "new_key_is_found_though_fetches_are_rare", UNIT + "test_ring.c::a_retired_key_is_gone_at_once"),
        {"jwks_floor": (T + "forged_tokens_do_not_hammer_the_jwks[id_token_unknown_kid]", T + "forged_tokens_do_not_hammer_the_jwks[id_token_bad_signature]")}),
    # ---- two providers
    Attack("mix-up of two providers", "cve 36; rfc9700 redirect URI per provider; rfc9700 iss in answers", (
        M + "code_of_the_honest_provider_never_reaches_the_hostile_one", M + "token_that_names_another_issuer_is_refused",
        O + "answer_names_its_issuer"), {
        "mix_up": (M + "answer_at_another_providers_address_is_refused",), "callback_iss": (M + "iss_of_the_answer_is_checked[honest]",),
        "callback_no_iss": (M + "iss_of_the_answer_is_checked[None]",),
        "metadata_issuer": (M + "metadata_that_points_elsewhere_is_refused[issuer-<lambda>]",)}),
    Attack("request that the bridge is made to send", "cve 22", (M + "request_uri_is_never_fetched", M + "key_address_in_a_token_is_never_fetched"), {
        "endpoint_https": (M + "metadata_that_points_elsewhere_is_refused[token_endpoint-<lambda>]",),
        "request_object": (M + "request_uri_is_never_fetched",), "request_uri": (M + "request_uri_is_never_fetched",)}),
    Attack("linking to somebody else's account", "cve 23", (M + "same_sub_or_email_at_another_provider_is_another_person",), {
        "link_browser": (B + "link_form_of_another_browser_is_refused",), "link_match": (LINKING + "test_another_name_does_not_link",),
        "link_taken": (LINKING + "test_an_entry_already_linked_is_never_self_linked",),
        "link_pending": (LINKING + "test_a_link_that_an_administrator_approves",)}),
    Attack("directory account that may not work, or is nobody's", "cve 24", (
        B + "ldap_injection_by_user_name_finds_nobody", LINKING + "test_an_empty_password_never_reaches_the_directory",
        "unit/directory/test_bind.c::refused_before_the_wire", "unit/directory/test_filter.c::logins_are_values"),
        {"account_status": (REFUSALS + "test_a_linked_person_who_may_not_work",),
         "group_name": ("unit/mapping/test_decide.c::a_group_called_like_a_dn_is_not_that_group",),
         "grace_unreachable": ("flow/test_grace.py::test_a_server_that_refuses_the_bridge_is_no_outage",)}),
    Attack("password login where it is not offered", "cve 24; cve 27", (
        P + "password_login_is_off_until_somebody_turns_it_on", P + "national_id_of_somebody_else_does_not_come_by_a_password",
        PASSWORDS + "test_configuration_that_would_let_everybody_in_is_refused", PASSWORDS + "test_who_cannot_bind_is_told_no_more_than_a_stranger"), {
        "password_where": (P + "password_login_is_for_listed_applications_only",),
        "password_pinned": (P + "application_that_keeps_to_its_provider_is_not_in_a_networks_offer",),
        "password_acr": (P + "application_that_demands_the_national_id_takes_no_password",),
        "password_session": (P + "session_of_a_password_answers_only_where_passwords_may",),
        "password_kept": (PASSWORDS + "test_turned_off_ends_refresh_tokens_and_sessions",)}),
    Attack("password form that is sent by others, again, or to learn who exists", "cve 18; cve 24; cve 27", (
        P + "password_form_of_another_browser_is_refused", P + "password_form_works_once", P + "state_of_one_way_is_not_taken_by_the_other", P + "password_login_gives_a_session_of_its_own",
        P + "password_page_does_not_say_who_exists", P + "empty_password_never_reaches_the_directory"), {}),
    Attack("one password tried on everybody", "cve 25", (P + "tries_of_both_pages_count_for_one_account", P + "a_clinic_behind_one_address_works"),
           {"password_address": (P + "one_password_on_everybody_is_stopped_at_its_address",)}),
    Attack("password guessed in parallel", "cve 25", (LINKING + "test_tries_are_counted_before_the_bind",),
           {"link_tries": (F + "password_tries_are_counted_before_the_bind_however_parallel",)}),
    # ---- addresses
    Attack("open redirector", "cve 13; cve 34; rfc9700 no open redirector", (
        B + "no_payload_makes_a_redirect_leave_the_house", B + "no_payload_works_as_any_other_parameter_or_path"),
        {"post_logout_redirect_uri": (B + "no_payload_makes_a_redirect_leave_the_house",)}),
    Attack("redirect_uri that only resembles", "cve 21; cve 34; rfc9700 exact redirect_uri", (O + "redirect_uri_of_another_client_is_refused",),
           {"redirect_uri": (O + "redirect_uri_that_only_resembles_is_refused[http://127.0.0.1:9/CB]",)}),
    # ---- authorize and token
    Attack("another flow than code with PKCE", "rfc9700 code and PKCE S256 only; rfc9700 no implicit; rfc9700 metadata", (
        O + "metadata_names_what_is_offered_and_no_more",), {
        "response_type": (O + "only_code_with_pkce_s256_is_offered",), "response_mode": (O + "only_code_with_pkce_s256_is_offered",),
        "pkce_required": (O + "only_code_with_pkce_s256_is_offered",), "pkce_s256": (O + "only_code_with_pkce_s256_is_offered",)}),
    Attack("PKCE that was taken away on the way", "cve 30", (O + "verifier_may_not_be_left_out_where_a_challenge_was",), {
        "pkce_downgrade": (O + "verifier_without_challenge_is_a_downgrade",), "pkce_verifier": (O + "code_without_its_verifier_is_refused",),
        "pkce_missing": (O + "verifier_that_is_too_short_or_too_long_is_refused_though_it_fits",)}),
    Attack("code used twice, late or by somebody else", "rfc9700 code once and short-lived; rfc9700 code bound; rfc9700 reuse revokes", (
        O + "guessed_code_is_refused", O + "code_of_another_client_is_refused",
        "unit/store/test_codes.c::another_client_neither_burns_nor_revokes", "unit/store/test_codes.c::unknown_and_expired", O + "code_lives_a_minute_at_most"), {
        "code_reuse": (O + "code_works_once_and_its_second_use_ends_what_came_of_it",),
        "code_redirect_uri": (O + "code_is_bound_to_its_redirect_uri",),
        "bearer_revoked": (O + "code_works_once_and_its_second_use_ends_what_came_of_it",)}),
    Attack("stolen refresh token", "rfc9700 refresh rotation", ("unit/store/test_refresh.c::the_revocation_outlives_the_refusal",), {
        "refresh_reuse": (O + "refresh_token_used_again_ends_its_family", O + "refresh_token_after_its_grace_is_a_replay"),
        "refresh_client": (O + "refresh_token_of_another_client_is_refused",)}),
    Attack("grant that was not given", "cve 29; rfc9700 no password grant",
           ("test_applications.py::test_who_is_not_proved_hears_nothing_about_grants",), {"grant_type": (O + "grant_that_the_client_does_not_have_is_refused",)}),
    Attack("client that is somebody else", "rfc9700 private_key_jwt", (), {
        "client_secret": (O + "wrong_client_secret_is_refused",), "client_auth_method": (O + "client_may_not_choose_another_method",),
        "public_client": (O + "client_may_not_choose_another_method",), "one_auth_method": (O + "two_ways_of_authentication_at_once_are_refused",),
        "assertion_claims": (O + "client_assertion_with_wrong_claims_is_refused",), "assertion_life": (O + "client_assertion_with_wrong_claims_is_refused",),
        "assertion_audience": (O + "client_assertion_with_wrong_claims_is_refused",), "authorization_once": (O + "two_authorization_headers_count_as_none",)}),
    Attack("client assertion sent again", "cve 31", (O + "redirect_uri_that_only_resembles_is_refused",),
           {"assertion_once": (O + "client_assertion_works_once",)}),
    Attack("token for one thing used for another", "rfc9700 audience and scope; rfc9700 client credentials are no user; rfc9700 no tokens in URLs", (
        O + "id_token_is_no_access_token", O + "forged_and_altered_tokens_are_refused"), {
        "bearer_claims": (O + "route_token_for_another_audience_opens_nothing",),
        "route_profile": (O + "other_clients_credentials_open_no_route",),
        "route_key": ("interop/test_interop_dhis2_versions.py::test_route_key_opens_the_route_and_nothing_else",),
        "user_enabled": (O + "disabled_user_passes_no_route",)}),
    # ---- browser
    Attack("step taken in another browser", "cve 18; rfc9700 bound to the browser", (
        B + "state_of_another_browser_is_refused", B + "session_cookie_changes_at_every_sign_in", B + "session_cookie_is_no_login_cookie_and_no_form"), {
        "login_cookie": (B + "cookie_under_another_logins_name_is_refused",),
        "sso_same_session": (B + "continue_form_counts_only_with_its_session",), "state_expiry": (UNIT + "test_state.c::expires",),
        "login_once": (M + "replayed_callback_is_refused_though_the_provider_takes_the_code_twice[True]",),
        "form_once": (M + "replayed_callback_is_refused_though_the_provider_takes_the_code_twice[False]",)}),
    Attack("session of the person before", "cve 27", (), {
        "prompt_login": (B + "prompt_login_asks_anew",), "prompt_consent": ("flow/test_provider_session.py::test_prompt_consent_is_never_silent",), "sso_never": (B + "session_never_answers_for_a_client_that_says_never",),
        "logout_confirm": (B + "foreign_link_signs_nobody_out",)}),
    Attack("cookie that is read or planted", "cve 16; cve 28", (
        B + "login_cookie_shows_nothing_of_the_request", UNIT + "test_state.c::tampering_is_seen",
        S + "cookies_are_host_prefixed_secure_and_out_of_reach_of_scripts", B + "error_in_the_callback_is_shown_as_text"),
        {"host_cookie": (S + "plain_cookie_of_a_sibling_host_is_not_looked_at",)}),
    Attack("page in a frame, with a script, or in a cache", "cve 15; rfc9700 303; rfc9700 referrer and framing; rfc9700 no CORS at authorize", (
        S + "every_page_carries_the_headers_that_keep_it_in_place", S + "redirects_carry_no_body_and_keep_addresses_to_themselves",
        S + "other_origins_read_public_documents_only", S + "token_answers_are_not_cached", S + "form_may_lead_to_the_application_and_nowhere_else"), {}),
    Attack("secret in log, page or store", "cve 28", (C + "no_secret_is_in_the_log", C + "no_secret_is_on_a_page", C + "no_secret_is_in_the_state_folder",
           C + "a_core_dump_cannot_be_made"), {}),
    # ---- the wire
    Attack("crafted cookies and bodies", "cve 14", (B + "garbage_cookies_are_no_login", W + "many_cookies_are_no_trouble",
           W + "body_of_another_type_is_no_form", W + "body_in_chunks_and_in_single_bytes_means_the_same", W + "broken_encoding_is_refused"), {}),
    Attack("header that says who somebody is", "cve 17; cve 26", (W + "identity_headers_from_outside_mean_nothing",
           W + "host_and_forwarded_headers_change_no_address"), {"forwarded_user": (O + "token_for_another_audience_opens_no_route",),
           "header_count": (W + "header_that_would_not_be_looked_at_is_refused",)}),
    Attack("request that two parsers read differently", "cve 19", (W + "smuggled_second_request_is_not_taken_for_one_of_its_own",
           UNIT + "test_gate.c::duplicate_members_are_refused", W + "no_parameter_splits_a_response"), {
        "authorize_duplicate": (O + "parameter_that_comes_twice_is_refused",), "token_duplicate": (O + "token_parameter_that_comes_twice_is_refused",),
        "callback_duplicate": hits("callback_twice"), "header_value": ("unit/web/test_reply.c::refuses_response_splitting",)}),
    Attack("transport without protection", "cve 20; rfc9700 TLS end to end", (
        "unit/base/test_http_tls.c::test_old_tls", "flow/test_directory_connections.py::test_old_tls_is_not_spoken",
        "flow/test_directory_connections.py::test_a_certificate_that_is_wrong"),
           {"http_issuer": (S + "plain_http_issuer_is_refused_but_on_loopback",)}),
    Attack("path that leads to a file, request that is too large", "cve 35", (
        W + "path_that_is_not_a_route_byte_for_byte_is_none", W + "wrong_method_runs_nothing", W + "malformed_request_gets_no_answer_worth_having",
        W + "oversized_request_line_header_and_cookie_are_refused", W + "too_many_parameters_are_refused"), {
        "body_size": (W + "oversized_body_is_refused_at_every_route",), "parameter_length": (O + "oversized_parameter_is_refused",)}),
    Attack("flood and slow clients", "cve 33; rfc9700 forwarded headers", (
        F + "flood_of_strangers_costs_no_storage_and_no_memory", F + "slow_clients_do_not_keep_every_place", O + "nothing_is_stored_for_strangers",
        F + "address_limit_never_stops_applications", F + "only_what_the_proxy_wrote_counts_as_address"), {
        "request_time": (F + "dribbling_client_is_cut_off_while_others_are_served",),
        "address_limit": (F + "address_limit_answers_429_for_pages_and_spares_other_addresses",),
        "trusted_proxies": (F + "forwarded_address_from_a_stranger_is_ignored",)}),
]


def tests_of(row):
    return {*row.tests, *(test for tests in row.guards.values() for test in tests)}


def guards():
    """guard -> the tests that must go red without it"""
    return {name: tests for row in ATTACKS for name, tests in row.guards.items()}
