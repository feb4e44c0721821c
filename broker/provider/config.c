/* [tokens]: how long what we hand out lives. */
#include "private.h"

#define LIFE(key, fallback, most, help) {"tokens", false, key, CONFIG_DURATION, CONFIG_OPTIONAL, fallback, NULL, 1, most, help}

const struct config_key provider_config_keys[] = {
    LIFE("code", "60s", 60, "An authorization code (RFC 9700: a minute at most)."),
    LIFE("access", "5m", 300, "An access token and its id_token. DHIS2 cannot revoke: five minutes at most."),
    LIFE("refresh", "12h", 30LL * 86400, "A refresh token that is not used."),
    LIFE("refresh_absolute", "30d", 365LL * 86400, "How long after the sign-in refresh tokens may go on at all."),
    LIFE("refresh_grace", "60s", 300, "A refresh answer that got lost may be asked for again within this time."),
    {"tokens", false, "rfc9068_alg", CONFIG_CHOICE, CONFIG_OPTIONAL, "ES256", "ES256 RS256", 0, 0,
     "Signature of access tokens of clients with profile rfc9068 and route."},
    {NULL, false, NULL, CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, NULL},
};
