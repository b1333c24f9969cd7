/* Listings: what links look like, and that no name gets out of them. */
#include "serve/page.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <holog/error.h>

static struct page page;

static void has(const char *text)
{
    cr_assert_not_null(strstr(page.data, text), "%s is not in %s", text, page.data);
}

Test(page, names_are_relative_links_and_directories_end_in_a_slash)
{
    page_begin(&page, false, "/live/a/", NULL);
    page_entry(&page, "zarr.json", true, false, 123);
    page_entry(&page, "c", false, true, 0);
    page_entry(&page, "both", true, true, 7);
    cr_assert_eq(page_end(&page), 0);
    has("<title>Index of /live/a/</title>\n");
    has("\n<a href=\"zarr.json\">zarr.json</a> 123\n");
    has("\n<a href=\"c/\">c/</a>\n");
    has("\n<a href=\"both/\">both/</a>\n<a href=\"both\">both</a> 7\n");
    free(page.data);
}

Test(page, names_are_escaped_for_the_link_and_for_the_page)
{
    page_begin(&page, false, "/live/<b>\"&'/", NULL);
    page_entry(&page, "<i>\"&'a:b %41?#\xc3\xa9\n", true, false, 1);
    cr_assert_eq(page_end(&page), 0);
    has("<title>Index of /live/&lt;b&gt;&quot;&amp;&#39;/</title>");
    has("<a href=\"%3Ci%3E%22%26%27a%3Ab%20%2541%3F%23%C3%A9%0A\">"
        "&lt;i&gt;&quot;&amp;&#39;a:b %41?#\xc3\xa9\n</a>");
    free(page.data);
}

Test(page, json_says_the_same)
{
    json_object *head = json_object_new_object();

    (void)json_object_object_add(head, "commit", json_object_new_int(17));
    page_begin(&page, true, "/x/", head);
    page_entry(&page, "a\"b", true, false, UINT64_MAX);
    page_entry(&page, "c", false, true, 0);
    page_link(&page, "nowhere", "");
    cr_assert_eq(page_end(&page), 0);
    json_object *doc = json_tokener_parse(page.data);
    cr_assert_not_null(doc);
    cr_assert_str_eq(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN),
                     "{\"commit\":17,\"entries\":[{\"name\":\"a\\\"b\",\"key\":true,"
                     "\"prefix\":false,\"bytes\":18446744073709551615},"
                     "{\"name\":\"c\",\"key\":false,\"prefix\":true}]}");
    (void)json_object_put(doc);
    free(page.data);
}

Test(page, an_empty_listing_is_one)
{
    page_begin(&page, true, "/x/", NULL);
    cr_assert_eq(page_end(&page), 0);
    cr_assert_str_eq(page.data, "{\"entries\": [\n]}\n");
    free(page.data);
}

Test(page, length_is_bounded)
{
    char name[256];

    memset(name, '<', 255);
    name[255] = '\0';
    page_begin(&page, false, "/x/", NULL);
    for (int i = 0; i < 1 << 17 && page.failed == 0; i++)
        page_entry(&page, name, true, false, 1);
    cr_assert_eq(page_end(&page), HOLOG_E_TOOBIG);
    cr_assert_null(page.data);
}
