/* Entity tags and the If- headers. */
#include "serve/conditional.h"

#include <criterion/criterion.h>

#define TAG "\"00000000000000010000000000000abc\""

static bool if_match(const char *list)
{
    struct conditional c = { .if_match = list };

    return conditional_judge(&c, TAG, false) == VERDICT_GO_ON;
}

static enum verdict if_none_match(const char *list, const char *etag, bool is_change)
{
    struct conditional c = { .if_none_match = list };

    return conditional_judge(&c, etag, is_change);
}

Test(conditional, a_tag_is_quoted_and_as_long_as_any_other)
{
    char out[ETAG_ROOM];

    etag_print((const uint64_t[2]){ 1, 0xabc }, out);
    cr_assert_str_eq(out, TAG);
}

Test(conditional, without_headers_all_goes_on)
{
    struct conditional none = { 0 };

    cr_assert_eq(conditional_judge(&none, TAG, false), VERDICT_GO_ON);
    cr_assert_eq(conditional_judge(&none, NULL, true), VERDICT_GO_ON);
    cr_assert(conditional_range_holds(&none, TAG));
}

Test(conditional, if_match_is_strong)
{
    cr_assert(if_match(TAG));
    cr_assert(if_match("*"));
    cr_assert(if_match("\"x\", " TAG));
    cr_assert(if_match("\"x,y\"," TAG ",\"z\""));
    cr_assert(if_match(" ,, " TAG " , "));
    cr_assert(if_match("W/\"x\"," TAG));
    cr_assert_not(if_match("W/" TAG));
    cr_assert_not(if_match("\"x\""));
    cr_assert_not(if_match(""));
    cr_assert_not(if_match("\"00000000000000010000000000000abc"));
    cr_assert_not(if_match("00000000000000010000000000000abc"));
    cr_assert_not(if_match("\"\""));
    cr_assert_not(if_match("*, \"x\""));
}

Test(conditional, what_is_missing_matches_nothing)
{
    struct conditional c = { .if_match = "*" };

    cr_assert_eq(conditional_judge(&c, NULL, true), VERDICT_FAILED);
    cr_assert_eq(if_none_match("*", NULL, true), VERDICT_GO_ON);
    cr_assert_eq(if_none_match(TAG, NULL, true), VERDICT_GO_ON);
}

Test(conditional, if_none_match_is_weak)
{
    cr_assert_eq(if_none_match(TAG, TAG, false), VERDICT_NOT_MODIFIED);
    cr_assert_eq(if_none_match("W/" TAG, TAG, false), VERDICT_NOT_MODIFIED);
    cr_assert_eq(if_none_match("\"x\", W/\"y\", " TAG, TAG, false), VERDICT_NOT_MODIFIED);
    cr_assert_eq(if_none_match("*", TAG, false), VERDICT_NOT_MODIFIED);
    cr_assert_eq(if_none_match("\"x\"", TAG, false), VERDICT_GO_ON);
}

Test(conditional, of_a_change_it_fails)
{
    cr_assert_eq(if_none_match("*", TAG, true), VERDICT_FAILED);
    cr_assert_eq(if_none_match(TAG, TAG, true), VERDICT_FAILED);
    cr_assert_eq(if_none_match("\"x\"", TAG, true), VERDICT_GO_ON);
}

Test(conditional, if_match_comes_first)
{
    struct conditional c = { .if_match = "\"x\"", .if_none_match = TAG };

    cr_assert_eq(conditional_judge(&c, TAG, false), VERDICT_FAILED);
}

Test(conditional, a_range_holds_for_that_very_tag)
{
    static const char *const no[] = { "\"x\"", "W/" TAG, TAG "," TAG,
                                      "*",     "",       "Sun, 06 Nov 1994 08:49:37 GMT" };
    struct conditional c = { .if_range = TAG };

    cr_assert(conditional_range_holds(&c, TAG));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        c.if_range = no[i];
        cr_assert_not(conditional_range_holds(&c, TAG), "%s", no[i]);
    }
}
