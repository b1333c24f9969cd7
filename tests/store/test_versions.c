/*
 * The calls of holog/versions.h, one rule at a time, on a real directory; after each test the store is
 * reopened and must show the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holog/versions.h"
#include "storekit.h"

static struct box box;

static void setup(void)
{
    box_begin(&box);
}

static void teardown(void)
{
    box_same_after_reopen(&box);
    box_end(&box);
}

TestSuite(versions, .init = setup, .fini = teardown, .timeout = 120);

static uint64_t put(const char *path, const char *text)
{
    uint64_t number = 0;

    OK(holog_save(box.store, path, text, strlen(text), HOLOG_REPLACE | HOLOG_PARENTS, &number));
    return number;
}

static uint64_t ref(const char *text)
{
    uint64_t number = 0;

    OK(holog_ref(box.store, text, &number));
    return number;
}

/* Names of the children, with a space behind each. */
static void lists(uint64_t number, const char *path, const char *want)
{
    char got[500] = "";
    holog_view *view = NULL;
    holog_cursor *c = NULL;
    const holog_entry *e;

    OK(holog_view_open_at(box.store, number, &view));
    OK(holog_view_list(view, path, 0, NULL, NULL, &c));
    while (holog_cursor_next(c, &e) == HOLOG_OK) {
        size_t n = strlen(got);
        (void)snprintf(got + n, sizeof got - n, "%s ", e->name);
    }
    cr_assert_str_eq(got, want, "as of %llu", (unsigned long long)number);
    holog_cursor_close(c);
    holog_view_close(view);
}

static void had_text(uint64_t number, const char *path, const char *text)
{
    holog_view *view = NULL;
    holog_value *v = NULL;

    OK(holog_view_open_at(box.store, number, &view));
    OK(holog_view_load(view, path, &v));
    cr_assert_eq(holog_value_size(v), strlen(text), "%s", path);
    cr_assert_eq(memcmp(holog_value_data(v), text, strlen(text)), 0, "%s has wrong bytes", path);
    holog_value_release(v);
    holog_view_close(view);
}

/* ---- views ---------------------------------------------------------------------------------------*/

Test(versions, a_directory_that_was_replaced_is_listed_as_it_was)
{
    uint64_t a = put("d/a", "1");
    uint64_t b = put("d/b", "1");

    OK(holog_delete_all(box.store, "d", NULL));
    lists(a, "d", "a ");
    lists(b, "d", "a b ");
    OK(holog_mkdir(box.store, "d", 0, NULL));
    lists(b, "d", "a b ");
    put("d/c", "1");
    lists(b, "d", "a b ");
    lists(ref("HEAD"), "d", "c ");
}

/* ---- going back ----------------------------------------------------------------------------------*/

Test(versions, a_transaction_sees_its_rollback)
{
    uint64_t then = put("d/kept", "old");
    holog_stat_info st = { .struct_size = sizeof st };
    holog_cursor *c = NULL;
    const holog_entry *e;
    holog_txn *t = NULL;

    put("d/later", "1");
    OK(holog_begin(box.store, &t));
    OK(holog_txn_save(t, "d/a", "1", 1, 0)); /* names shorter and longer than a key's number */
    OK(holog_txn_save(t, "d/a rather long name of a blob", "1", 1, 0));
    OK(holog_txn_save(t, "d/kept", "new", 3, HOLOG_REPLACE));
    OK(holog_txn_save(t, "x", "1", 1, 0));
    OK(holog_txn_rollback(t, "d", then));
    OK(holog_txn_list(t, "d", &c));
    OK(holog_cursor_next(c, &e));
    cr_assert_str_eq(e->name, "kept");
    cr_assert_eq(holog_cursor_next(c, &e), HOLOG_E_NOENT);
    holog_cursor_close(c);
    OK(holog_txn_stat(t, "x", &st));
    cr_assert_eq(st.type, HOLOG_BLOB, "outside of what goes back");
    OK(holog_txn_rollback(t, "/", 0));
    OK(holog_txn_stat(t, "d", &st));
    cr_assert_eq(st.type, HOLOG_MISSING);
    OK(holog_txn_stat(t, "x", &st));
    cr_assert_eq(st.type, HOLOG_MISSING);
    OK(holog_txn_rollback(t, "d", then));
    OK(holog_commit(t, NULL));
    has_text(box.store, "d/kept", "old");
    lists(ref("HEAD"), "/", "d ");
    lists(ref("HEAD"), "d", "kept ");
    lists(ref("HEAD~1"), "d", "kept later ");
    had_text(then, "d/kept", "old");
}
