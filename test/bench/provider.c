/* An ID provider that costs next to nothing, so that a benchmark of logins meets the bridge's limits and not those of the
 * eSignet stand-in (which signs in about a hundred people a second). It keeps no state and refuses nobody: the code is
 * "NONCE.SUB", the access token is the sub. What it signs is shaped as eSignet's: PS256 id_token, RS256 userinfo under
 * another key and another `iss`. Started by logins.py; ends with its standard input. No test believes in it.
 *
 *     provider PORT CLIENT_ID ACR */
#include <idbridge/token.h>

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BODY_MAX = 8192, LIFE_S = 600 };

static struct {
    const char *issuer, *client_id, *acr;
    struct token_private *id_key, *userinfo_key;
    char *jwks, *metadata;
} us;

struct request {
    char body[BODY_MAX];
    size_t len;
};

static void must(enum result r, const struct fault *f)
{
    if (r != RESULT_OK) {
        (void)fprintf(stderr, "provider: %s\n", f->detail);
        exit(1);
    }
}

/* ---- what it signs ------------------------------------------------------------------------------------------- */

static char *dumped(json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

static char *token_answer(struct arena *a, const char *code)
{
    struct fault f = {0};
    const char *dot = strchr(code, '.'), *jws = NULL;
    if (dot == NULL)
        return NULL;
    const json_int_t now = (json_int_t)clock_now();
    json_t *claims = arena_json(a, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "iss", us.issuer, "aud", us.client_id, "sub",
                                             dot + 1, "nonce", arena_strndup(a, code, (size_t)(dot - code)), "iat", now, "exp",
                                             now + LIFE_S, "auth_time", now, "acr", us.acr));
    must(token_sign(&f, a, us.id_key, "JWT", false, claims, &jws), &f);
    return dumped(json_pack("{s:s, s:s, s:s, s:i}", "id_token", jws, "access_token", dot + 1, "token_type", "Bearer", "expires_in",
                            LIFE_S));
}

static char *userinfo_answer(struct arena *a, const char *authorization)
{
    struct fault f = {0};
    const char *jws = NULL, *sub = authorization == NULL ? NULL : strchr(authorization, ' ');
    if (sub == NULL)
        return NULL;
    json_t *claims = arena_json(a, json_pack("{s:s+, s:s, s:s, s:s, s:s, s:s}", "iss", us.issuer, "/v1/esignet", "aud", us.client_id,
                                             "sub", sub + 1, "name#eng", "Bench Person", "gender#eng", "Female", "birthdate",
                                             "1985/02/15"));
    must(token_sign(&f, a, us.userinfo_key, "JWT", false, claims, &jws), &f);
    return strdup(jws);
}

/* ---- HTTP ------------------------------------------------------------------------------------------------------ */

static const char *code_in(char *body)
{
    char *code = strstr(body, "code=");
    if (code == NULL)
        return "";
    code += strlen("code=");
    code[strcspn(code, "&")] = '\0';
    return code;
}

static char *answer(struct arena *a, struct MHD_Connection *c, const char *url, struct request *rq)
{
    if (strcmp(url, "/.well-known/openid-configuration") == 0)
        return strdup(us.metadata);
    if (strcmp(url, "/jwks") == 0)
        return strdup(us.jwks);
    if (strcmp(url, "/token") == 0)
        return token_answer(a, code_in(rq->body));
    return userinfo_answer(a, MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization"));
}

static enum MHD_Result reply(struct MHD_Connection *c, const char *url, struct request *rq)
{
    struct arena *a = arena_new(1u << 20);
    char *text = answer(a, c, url, rq);
    arena_free(a);
    size_t len = text == NULL ? 0 : strlen(text);
    struct MHD_Response *r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    (void)MHD_add_response_header(r, "Content-Type", strcmp(url, "/userinfo") == 0 ? "application/jwt" : "application/json");
    enum MHD_Result ok = MHD_queue_response(c, text == NULL ? 400 : 200, r);
    MHD_destroy_response(r);
    return ok;
}

static enum MHD_Result handler(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
                               const char *upload, size_t *size, void **state)
{
    (void)cls, (void)method, (void)version;
    struct request *rq = *state;
    if (rq == NULL)
        return (*state = calloc(1, sizeof *rq)) == NULL ? MHD_NO : MHD_YES;
    if (*size == 0)
        return reply(c, url, rq);
    if (*size >= sizeof rq->body - rq->len)
        return MHD_NO;
    memcpy(rq->body + rq->len, upload, *size);
    rq->len += *size;
    *size = 0;
    return MHD_YES;
}

static void completed(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)c, (void)why;
    free(*state);
    *state = NULL;
}

/* ---- start ----------------------------------------------------------------------------------------------------- */

static struct token_private *make_key(struct arena *a, const char *alg, json_t *keys)
{
    struct fault f = {0};
    const char *kid, *private_jwk, *public_jwk;
    struct token_private *key;
    must(token_generate(&f, a, alg, "sig", &kid, &private_jwk, &public_jwk), &f);
    must(token_private_parse(&f, private_jwk, alg, &key), &f);
    (void)json_array_append_new(keys, json_loads(public_jwk, 0, NULL));
    return key;
}

static char *metadata(struct arena *a)
{
    const char *at = us.issuer;
    return dumped(json_pack("{s:s, s:o, s:o, s:o, s:o, s:[s], s:[s], s:[s]}", "issuer", at, "authorization_endpoint",
                            json_string(arena_printf(a, "%s/authorize", at)), "token_endpoint",
                            json_string(arena_printf(a, "%s/token", at)), "userinfo_endpoint",
                            json_string(arena_printf(a, "%s/userinfo", at)), "jwks_uri", json_string(arena_printf(a, "%s/jwks", at)),
                            "response_types_supported", "code", "subject_types_supported", "pairwise",
                            "id_token_signing_alg_values_supported", "PS256"));
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: provider PORT CLIENT_ID ACR\n");
        return 2;
    }
    struct arena *a = arena_new(1u << 20);
    json_t *keys = json_array();
    us.issuer = arena_printf(a, "http://127.0.0.1:%s", argv[1]);
    us.client_id = argv[2];
    us.acr = argv[3];
    us.id_key = make_key(a, "PS256", keys);
    us.userinfo_key = make_key(a, "RS256", keys);
    us.jwks = dumped(json_pack("{s:o}", "keys", keys));
    us.metadata = metadata(a);
    struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)strtoul(argv[1], NULL, 10), NULL, NULL, handler,
                                            NULL, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_THREAD_POOL_SIZE, 2u,
                                            MHD_OPTION_END);
    if (d == NULL) {
        (void)fprintf(stderr, "provider: the port is taken\n");
        return 1;
    }
    (void)printf("ready\n");
    (void)fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    MHD_stop_daemon(d);
    return 0;
}
