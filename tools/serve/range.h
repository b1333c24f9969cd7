/*
 * range.h: what the header Range asks for, of a value of known size (RFC 9110, section 14).
 *
 *   bytes=A-B   from byte A to byte B, both among them; B past the end is cut there
 *   bytes=A-    from byte A to the end
 *   bytes=-N    the last N bytes, or all of them when there are not so many
 * One range only: several, another unit, or what has no meaning is not refused but ignored, as the RFC
 * wants it: the whole value is sent, and the client sees that from the status.
 */
#ifndef HOLOG_TOOLS_SERVE_RANGE_H
#define HOLOG_TOOLS_SERVE_RANGE_H

#include <stdint.h>

enum range_kind {
    RANGE_WHOLE,        /* 200 */
    RANGE_PART,         /* 206 */
    RANGE_UNSATISFIABLE /* 416: no byte of the value is in it */
};
struct range {
    enum range_kind kind;
    uint64_t offset; /* of a part: offset + len_bytes is at most the size */
    uint64_t len_bytes;
};

/* header: the value of Range, NUL-terminated; NULL: there is none. */
struct range range_parse(const char *header, uint64_t size_bytes);

#endif
