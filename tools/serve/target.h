/*
 * target.h: what a request target names.
 *
 *   /                    what is here
 *   /healthz /metrics    of the server
 *   /live/KEY            the newest state
 *   /@17/KEY             the state as of commit 17
 *   /@REF/KEY            a tag, HEAD, HEAD~3 or a time: led on to a number
 * Directly behind the state may stand v2/ or v3/, the twins: KEY in the hierarchy as Zarr v2 has it, or as
 * v3 with consolidated metadata.
 *
 * A target is a path, or a whole URL as a proxy sends it; "?..." comes behind. It is percent-decoded once,
 * then split. What no client means is TARGET_BAD: a broken escape, NUL, a control character as
 * it is, bytes that are no UTF-8, an empty segment, "." and "..". Nothing is tidied up: one thing has one name.
 */
#ifndef HOLOG_TOOLS_SERVE_TARGET_H
#define HOLOG_TOOLS_SERVE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#define TARGET_MAX 16384 /* bytes as sent: a path of 4 KiB, every byte of it escaped, and a query */

enum target_kind {
    TARGET_BAD,
    TARGET_TOO_LONG,
    TARGET_NOTHING, /* well-formed, and names nothing of ours */
    TARGET_ROOT,
    TARGET_HEALTH,
    TARGET_METRICS,
    TARGET_LIVE,
    TARGET_NUMBER,
    TARGET_REF
};
enum target_twin {
    TWIN_NONE = 0,
    TWIN_V2 = 2,
    TWIN_V3 = 3
};
struct target {
    enum target_kind kind;
    enum target_twin twin;
    uint64_t number; /* of NUMBER */
    bool bare;       /* "/live" without the '/' behind it: key is "" */
    bool list;       /* ?list */
    const char *ref; /* of REF, NUL-terminated */
    const char *key; /* of LIVE, NUMBER and REF: without the twin, "" is the root */
};

/* raw: as it stood in the request line, NUL-terminated. text: strlen(raw) + 1 bytes, which ref and key point into
 * afterwards. */
void target_parse(const char *raw, char *text, struct target *out);

/* A link to what the target names, with its twin and ?list, escaped: /live/KEY, or for all others
 * /@NUMBER/KEY. directory: a '/' comes behind the key. malloc'd; NULL: no memory. */
char *target_link(const struct target *target, uint64_t number, bool directory);
/* The same of a number or LIVE for people: not escaped, without ?list. */
char *target_show(const struct target *target);

/* One name, escaped so that it stands for itself in a URL: malloc'd; NULL: no memory. '/' stays. */
char *target_escape(const char *text);

#endif
