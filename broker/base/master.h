/* The master key in memory: made by master.c, read by seal.c. */
#ifndef IDBRIDGE_BASE_MASTER_H
#define IDBRIDGE_BASE_MASTER_H

#include "internal.h"

#include <pthread.h>

#define MASTER_KEY 32

struct derived_keys {
    pthread_mutex_t lock;
    size_t count;
    struct {
        char info[64];
        unsigned char key[MASTER_KEY];
    } keys[32];
};

struct master {
    unsigned char key[MASTER_KEY];
    struct derived_keys *derived; /* beside it in the same locked pages */
};

#endif
