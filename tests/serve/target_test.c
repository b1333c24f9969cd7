/* Request targets: what each names, and what is refused. */
#include "serve/target.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

static struct target t;
static char text[2 * TARGET_MAX];

static enum target_kind kind(const char *raw)
{
    target_parse(raw, text, &t);
    return t.kind;
}

static void is(const char *raw, enum target_kind wanted, const char *key)
{
    cr_assert_eq(kind(raw), wanted, "%s", raw);
    cr_assert_str_eq(t.key, key, "%s", raw);
}

Test(target, the_server_itself)
{
    is("/", TARGET_ROOT, "");
    is("/?list", TARGET_ROOT, "");
    cr_assert(t.list);
    is("/healthz", TARGET_HEALTH, "");
    is("/metrics?x=1", TARGET_METRICS, "");
    is("/healthz/", TARGET_NOTHING, "");
    is("/favicon.ico", TARGET_NOTHING, "");
    is("/lively/x", TARGET_NOTHING, "");
    is("/@/x", TARGET_NOTHING, "");
}

Test(target, the_newest_state)
{
    is("/live/a/zarr.json", TARGET_LIVE, "a/zarr.json");
    is("/live/a/", TARGET_LIVE, "a/");
    is("/live/", TARGET_LIVE, "");
    cr_assert_not(t.bare);
    is("/live", TARGET_LIVE, "");
    cr_assert(t.bare);
}

Test(target, a_number_has_one_spelling)
{
    is("/@17/a", TARGET_NUMBER, "a");
    cr_assert_eq(t.number, 17);
    is("/@0/", TARGET_NUMBER, "");
    is("/%4017/a", TARGET_NUMBER, "a");
    is("/@18446744073709551615/a", TARGET_NUMBER, "a");
    cr_assert_eq(t.number, UINT64_MAX);
    is("/@017/a", TARGET_REF, "a");
    cr_assert_str_eq(t.ref, "017");
    is("/@18446744073709551616/a", TARGET_REF, "a");
}

Test(target, names_of_states)
{
    is("/@v1/a", TARGET_REF, "a");
    cr_assert_str_eq(t.ref, "v1");
    is("/@HEAD~3/a", TARGET_REF, "a");
    cr_assert_str_eq(t.ref, "HEAD~3");
    is("/@2026-11-21T08:00:00+02:00/a", TARGET_REF, "a");
    cr_assert_str_eq(t.ref, "2026-11-21T08:00:00+02:00");
    is("/@v1", TARGET_REF, "");
    cr_assert(t.bare);
}

Test(target, a_twin_stands_behind_the_state_only)
{
    is("/live/v2/a/.zarray", TARGET_LIVE, "a/.zarray");
    cr_assert_eq(t.twin, TWIN_V2);
    is("/@17/v3/zarr.json", TARGET_NUMBER, "zarr.json");
    cr_assert_eq(t.twin, TWIN_V3);
    is("/@17/v3/v2/x", TARGET_NUMBER, "v2/x");
    cr_assert_eq(t.twin, TWIN_V3);
    is("/live/v2", TARGET_LIVE, "");
    cr_assert(t.bare && t.twin == TWIN_V2);
    is("/live/v2/", TARGET_LIVE, "");
    cr_assert(!t.bare && t.twin == TWIN_V2);
    is("/live/v2x/a", TARGET_LIVE, "v2x/a");
    cr_assert_eq(t.twin, TWIN_NONE);
    is("/live/a/v2/b", TARGET_LIVE, "a/v2/b");
    is("/live/v4/b", TARGET_LIVE, "v4/b");
}

Test(target, escapes_are_taken_away_once)
{
    is("/live/a%20b/%C3%A9", TARGET_LIVE, "a b/\xc3\xa9");
    is("/live/a%2Fb", TARGET_LIVE, "a/b");
    is("/live/a%2525", TARGET_LIVE, "a%25");
    is("/live/a+b", TARGET_LIVE, "a+b");
    is("/live/%252e%252e/x", TARGET_LIVE, "%2e%2e/x");
    is("/live/a%0Ab", TARGET_LIVE, "a\nb");
    is("/live/a%3Fb", TARGET_LIVE, "a?b");
}

Test(target, what_no_client_means_is_bad)
{
    static const char *const bad[] = {
        "",
        "live/x",
        "*",
        "/live/../x",
        "/live/%2e%2e/x",
        "/live/.%2E",
        "/live/%2e%2e%2fx",
        "/live/./x",
        "/live/.",
        "/live//x",
        "//live/x",
        "/live/a//",
        "/live/%2Fx",
        "/live/%00",
        "/live/a%00b",
        "/live/%",
        "/live/%4",
        "/live/%zz",
        "/live/%4g",
        "/live/%-1",
        "/live/\x01",
        "/live/\x7f",
        "/live/\xff",
        "/live/%ff",
        "/live/%c0%ae%c0%ae/",
        "/live/%ed%a0%80",
        "/live/%f4%90%80%80",
        "/live/%e2%82",
        "/..",
        "/@1/../../x",
        "ftp://h/live/x",
        "http://h",
        "http:/live/x",
        "http://",
        "C:\\x",
        "/live/..",
        "/..%2f..%2fetc/passwd",
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(kind(bad[i]), TARGET_BAD, "%s", bad[i]);
}

Test(target, names_that_begin_with_dots_are_names)
{
    is("/live/.zarray", TARGET_LIVE, ".zarray");
    is("/live/...", TARGET_LIVE, "...");
    is("/live/..a", TARGET_LIVE, "..a");
}

Test(target, a_whole_url_is_its_path)
{
    is("http://127.0.0.1:8080/live/x", TARGET_LIVE, "x");
    is("HTTPS://h/@3/x?list", TARGET_NUMBER, "x");
    cr_assert(t.list);
    is("http://h/../x", TARGET_BAD, "");
}

Test(target, queries)
{
    kind("/live/?list");
    cr_assert(t.list);
    kind("/live/?a=b&list=1");
    cr_assert(t.list);
    kind("/live/?listing");
    cr_assert_not(t.list);
    kind("/live/a?x=../../%zz//");
    cr_assert_eq(t.kind, TARGET_LIVE);
    kind("/live/a#?list");
    cr_assert_not(t.list);
}

Test(target, length_is_bounded)
{
    char *raw = malloc(TARGET_MAX + 2);

    cr_assert_not_null(raw);
    memset(raw, 'a', TARGET_MAX + 1);
    memcpy(raw, "/live/", 6);
    raw[TARGET_MAX + 1] = '\0';
    cr_assert_eq(kind(raw), TARGET_TOO_LONG);
    raw[TARGET_MAX] = '\0';
    cr_assert_eq(kind(raw), TARGET_LIVE);
    cr_assert_eq(strlen(t.key), TARGET_MAX - 6);
    free(raw);
}

static void leads(const char *raw, const char *tail, const char *wanted)
{
    target_parse(raw, text, &t);
    char *got = target_link(&t, 17, *tail != '\0');
    cr_assert_str_eq(got, wanted, "%s", raw);
    free(got);
}

Test(target, put_together_again_it_is_escaped)
{
    leads("/@v1/a%20b/%C3%A9", "", "/@17/a%20b/%C3%A9");
    leads("/@v1/v2/a?list", "/", "/@17/v2/a/?list");
    leads("/@v1", "", "/@17/");
    leads("/@v1/a%0d%0aX:%20y", "", "/@17/a%0D%0AX%3A%20y");
    leads("/@v1/%22%3Cscript%3E", "", "/@17/%22%3Cscript%3E");
    target_parse("/live/v3/d", text, &t);
    char *got = target_link(&t, 17, true);
    cr_assert_str_eq(got, "/live/v3/d/");
    free(got);
}

Test(target, shown_it_is_not_escaped)
{
    target_parse("/@3/v2/a%20b/?list", text, &t);
    char *got = target_show(&t);
    cr_assert_str_eq(got, "/@3/v2/a b/");
    free(got);
}
