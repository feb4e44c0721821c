/* [listen]: where the bridge answers and how much it takes on. */
#include <idbridge/front.h>

const struct config_key front_config_keys[] = {
    {"listen", false, "address", CONFIG_TEXT, CONFIG_OPTIONAL, "127.0.0.1:8470", NULL, 0, 0,
     "Where the bridge listens: ADDRESS:PORT, [IPV6]:PORT or unix:/path. A proxy in front carries TLS."},
    {"listen", false, "metrics", CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0,
     "A second, loopback ADDRESS:PORT that answers /metrics. Unset: no metrics."},
    {"listen", false, "trusted_proxies", CONFIG_LIST, CONFIG_OPTIONAL, NULL, NULL, 0, 0,
     "Addresses of the proxies whose X-Forwarded-For is believed (for coarse limits only)."},
    {"listen", false, "workers", CONFIG_INT, CONFIG_OPTIONAL, "0", NULL, 0, 256,
     "Threads that sign, verify and decide; 0: one per core."},
    {"listen", false, "queue", CONFIG_INT, CONFIG_OPTIONAL, "1024", NULL, 1, 65536,
     "Requests that may wait for those threads before new ones are told to come back later."},
    {"listen", false, "dependency_workers", CONFIG_INT, CONFIG_OPTIONAL, "16", NULL, 1, 256,
     "Threads for each ID provider, each directory and each DHIS2."},
    {"listen", false, "dependency_queue", CONFIG_INT, CONFIG_OPTIONAL, "512", NULL, 1, 65536,
     "Requests that may wait for one such dependency."},
    {"listen", false, "drain", CONFIG_DURATION, CONFIG_OPTIONAL, "25s", NULL, 0, 300,
     "How long requests under way may finish at a stop or reload."},
    {"listen", false, "connections", CONFIG_INT, CONFIG_OPTIONAL, "8192", NULL, 16, 65536,
     "Open connections at once; more than all queues together."},
    {"listen", false, "request_time", CONFIG_DURATION, CONFIG_OPTIONAL, "30s", NULL, 1, 3600,
     "How long a client may take to send one whole request; who dribbles longer is cut off."},
    {"listen", false, "requests_per_second", CONFIG_INT, CONFIG_OPTIONAL, "50", NULL, 1, 100000,
     "Coarse limit on people's pages for one address (a whole clinic may share one); applications are not limited by address."},
    {NULL, false, NULL, CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, NULL},
};
