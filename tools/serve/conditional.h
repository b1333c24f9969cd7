/*
 * conditional.h: entity tags, and what the If- headers of a request make of it (RFC 9110, section 13).
 *
 * Tags are strong: of two answers with the same tag every byte is the same. If-Match and If-Range compare
 * strongly, a W/ tag is never equal; If-None-Match weakly, as the RFC wants it.
 */
#ifndef HOLOG_TOOLS_SERVE_CONDITIONAL_H
#define HOLOG_TOOLS_SERVE_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

#define ETAG_ROOM 40
/* "0123...", 32 hexadecimal digits in quotes. */
void etag_print(const uint64_t etag[2], char out[ETAG_ROOM]);

/* Headers as sent; NULL: not there. Of several of one name the values are joined with ", ". */
struct conditional {
    const char *if_match;
    const char *if_none_match;
    const char *if_range;
};
enum verdict {
    VERDICT_GO_ON,
    VERDICT_NOT_MODIFIED, /* 304; of a change it is FAILED */
    VERDICT_FAILED        /* 412 */
};
/* etag: of what is there now, NULL: nothing is. A list that has no sound form matches nothing. */
enum verdict conditional_judge(const struct conditional *c, const char *etag, bool is_change);
/* Whether Range is to be heeded: no If-Range, or this tag. (A date never is: we give none.) */
bool conditional_range_holds(const struct conditional *c, const char *etag);

#endif
