/*
 * The two children that open the store: the worker, which runs the pipeline until it is killed or
 * done, and the checker, which looks at what a kill left behind. Both talk to the parent through a
 * pipe, one struct message at a time; the parent itself never opens the store while they live.
 */
#ifndef DEMO_PIPELINE_H
#define DEMO_PIPELINE_H

#include "plate.h"

/* A batch that must be there from now on: the worker was told that it is durable, or it was found
 * after a kill that came before the worker could say so. */
struct ack {
    uint64_t number; /* of the commit; 0: found */
    uint64_t digest; /* of the planes; 0: found */
};

/* What the checker found. Bad: lost, half, wrong or strays are not 0. */
struct check {
    uint32_t found; /* batches that are there whole and bit for bit */
    uint32_t lost;  /* acknowledged, and not there whole and bit for bit */
    uint32_t
        half; /* some planes there and some not, or there and the progress not, or the reverse */
    uint32_t strays; /* entries that no batch explains */
    uint32_t next;   /* the batch that the pipeline goes on with */
    uint32_t tail_cut;
    uint64_t cut_bytes;
    uint64_t open_ns;
    uint64_t check_ns;
    uint64_t bytes; /* compared */
};

enum message_kind {
    MESSAGE_NONE,
    MESSAGE_OPENED,    /* batch: the first to do */
    MESSAGE_COMPUTING, /* batch */
    MESSAGE_SAVING,    /* batch; ns: computing took */
    MESSAGE_ACKED,     /* batch, ack, bytes; ns: saving took */
    MESSAGE_FINISHED,  /* the store is closed; ns: closing took */
    MESSAGE_CHECKED,   /* check; text: the first thing found wrong, or "" */
    MESSAGE_FAILED     /* text: why */
};

struct message {
    uint32_t kind; /* enum message_kind */
    uint32_t batch;
    struct ack ack;
    uint64_t bytes;
    uint64_t ns;
    struct check check;
    char text[512];
};

/* Run the pipeline on the store in `dir` from where the store says it is. Exit status. */
int worker_run(const struct plate *plate, const char *dir, int message_fd);
/* Open the store as the next user would, and compare it with acks[0 .. ack_count). Exit status. */
int checker_run(const struct plate *plate, const char *dir, const struct ack *acks,
                unsigned ack_count, int message_fd);

#endif
