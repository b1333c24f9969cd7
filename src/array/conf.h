/*
 * The configuration of a codec, an object of JSON, read strictly: a member that is not known may change what
 * bytes mean.
 *
 * Each leaves what it was to set as it is where the member is missing, and returns HOLOG_E_INVAL where it
 * has another value than what is asked for. Messages name the codec and the member.
 */
#ifndef HG_ARRAY_CONF_H
#define HG_ARRAY_CONF_H

#include "array/document.h"

/* NULL: there is no such member. */
struct json_object *hg_conf_get(const struct hg_codec *c, const char *member);
/* HOLOG_E_NOTSUP: a member other than those `count`. */
HG_MUST_CHECK int hg_conf_check(const struct hg_codec *c, const char *const *members, size_t count);
HG_MUST_CHECK int hg_conf_int(const struct hg_codec *c, const char *member, int least, int most,
                              int *io_value);
HG_MUST_CHECK int hg_conf_bool(const struct hg_codec *c, const char *member, int *io_value);
/* One of `count` words, by its place among them. */
HG_MUST_CHECK int hg_conf_word(const struct hg_codec *c, const char *member,
                               const char *const *words, size_t count, unsigned *io_word);
/* `count` numbers from `least` to HG_INDEX_MAX. Missing is wrong, too. */
HG_MUST_CHECK int hg_conf_list(const struct hg_codec *c, const char *member, unsigned count,
                               uint64_t least, uint64_t *out);
/* HOLOG_E_INVAL, with a message. */
int hg_conf_bad(const struct hg_codec *c, const char *member, const char *why);

#endif
