/*
 * cmd_diff.c: diff, and rollback, of which --dry-run shows the differences that it would take back.
 */
#include <inttypes.h>

#include "verbs.h"

struct diff_listing {
    const struct args *args;
    struct json_stream stream;
    uint64_t count;
};

/* ---- one difference -------------------------------------------------------------------------- */

static json_object *range_json(const holog_range *range)
{
    json_object *out = json_object_new_object();

    json_add(out, "a_offset", json_number(range->a_offset));
    json_add(out, "a_bytes", json_number(range->a_len));
    json_add(out, "b_offset", json_number(range->b_offset));
    json_add(out, "b_bytes", json_number(range->b_len));
    return out;
}

/* What the path was in one of the states; null: nothing. */
static json_object *side_json(uint32_t type, uint64_t number, uint64_t bytes)
{
    if (type == HOLOG_MISSING)
        return NULL;
    json_object *out = json_object_new_object();
    json_add(out, "type", json_text(type_name(type)));
    json_add(out, "commit", json_number(number));
    json_add(out, "bytes", json_number(bytes));
    return out;
}

static json_object *difference_json(const struct args *args, const holog_difference *d)
{
    json_object *out = json_object_new_object();

    json_add(out, "path", json_text(d->path));
    json_add(out, "a", side_json(d->a_type, d->a_number, d->a_size));
    json_add(out, "b", side_json(d->b_type, d->b_number, d->b_size));
    if (args->given[OPT_RANGES]) {
        json_object *ranges = json_object_new_array();
        for (uint32_t i = 0; i < d->n_ranges; i++)
            (void)json_object_array_add(ranges, range_json(&d->ranges[i]));
        json_add(out, "ranges", ranges);
    }
    return out;
}

static const char *size_text(uint32_t type, uint64_t bytes, char *out)
{
    if (type != HOLOG_MISSING && type != HOLOG_DIRECTORY)
        return human_bytes(bytes, out);
    return type == HOLOG_DIRECTORY ? "dir" : "-";
}

/* "+" is only in b, "-" only in a, "~" in both; ranges as --range of load takes them. */
static void put_difference(const holog_difference *d)
{
    const char *sign = d->a_type == HOLOG_MISSING ? "+" : d->b_type == HOLOG_MISSING ? "-" : "~";
    char a[HUMAN_MAX];
    char b[HUMAN_MAX];

    (void)printf("%s %10s -> %10s  ", sign, size_text(d->a_type, d->a_size, a),
                 size_text(d->b_type, d->b_size, b));
    put_name(stdout, d->path);
    (void)putchar('\n');
    for (uint32_t i = 0; i < d->n_ranges; i++) {
        const holog_range *r = &d->ranges[i];
        (void)printf("    %" PRIu64 ":%" PRIu64 " -> %" PRIu64 ":%" PRIu64 "\n", r->a_offset,
                     r->a_len, r->b_offset, r->b_len);
    }
}

static int show_difference(void *ctx, const holog_difference *d)
{
    struct diff_listing *list = ctx;

    list->count++;
    if (list->args->given[OPT_JSON])
        json_stream_item(&list->stream, difference_json(list->args, d));
    else
        put_difference(d);
    return ferror(stdout) != 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool exists_at(holog_store *store, uint64_t number, const char *path)
{
    holog_stat_info info = { .struct_size = sizeof info };
    holog_view *view = NULL;

    if (holog_view_open_at(store, number, &view) < 0)
        return false;
    int rc = holog_view_stat(view, path, &info);
    holog_view_close(view);
    return rc >= 0 && info.type != HOLOG_MISSING;
}

/* head (taken over) begins the document; what differs is its member "differences". */
static int show_differences(const struct args *args, holog_store *store, uint64_t a, uint64_t b,
                            const char *path, json_object *head)
{
    struct diff_listing list = { .args = args };
    unsigned flags = args->given[OPT_RANGES] ? (unsigned)HOLOG_DIFF_RANGES : 0;
    struct holog_error_detail detail;

    if (args->given[OPT_JSON])
        json_stream_begin(&list.stream, head, "differences");
    else
        (void)json_object_put(head);
    int rc = holog_diff(store, a, b, path, flags, show_difference, &list);
    if (rc < 0)
        cli_detail(rc, &detail);
    if (args->given[OPT_JSON]) {
        json_object *tail = json_object_new_object();
        if (rc < 0)
            json_add_error(tail, &detail);
        json_stream_end(&list.stream, tail);
    }
    if (rc < 0)
        return cli_fail_detail(args, &detail, NULL, path);
    if (list.count > 0)
        return EXIT_DONE;
    if (!exists_at(store, a, path) && !exists_at(store, b, path))
        return cli_fail_text(args, "%s: no such entry in either state", path);
    if (!args->given[OPT_JSON])
        cli_note(args, "no difference");
    return EXIT_DONE;
}

static int find_state(const struct args *args, holog_store *store, const char *ref, uint64_t *out)
{
    int rc = holog_ref(store, ref, out);

    return rc < 0 ? cli_fail(args, rc, ref) : EXIT_DONE;
}

static json_object *head_json(const struct args *args, const char *path)
{
    json_object *head = json_object_new_object();

    json_add(head, "store", json_text(args->operands[0]));
    json_add(head, "path", json_text(path));
    return head;
}

int verb_diff(const struct args *args)
{
    const char *path = args->operand_count > 3 ? args->operands[3] : "/";
    holog_store *store = NULL;
    uint64_t a = 0;
    uint64_t b = 0;
    int status = cli_open(args, OPEN_READ, &store);

    if (status != EXIT_DONE)
        return status;
    status = find_state(args, store, args->operands[1], &a);
    if (status == EXIT_DONE)
        status = find_state(args, store, args->operands[2], &b);
    if (status == EXIT_DONE) {
        json_object *head = head_json(args, path);
        json_add(head, "a", json_number(a));
        json_add(head, "b", json_number(b));
        status = show_differences(args, store, a, b, path, head);
    }
    status = cli_close(args, store, status);
    return cli_flush(args, status);
}

/* ---- rollback -------------------------------------------------------------------------------- */

static int check_rollback(const struct args *args)
{
    if (args->given[OPT_STEPS] && args->operand_count > 2)
        return cli_usage(args, "either REF or -n N says where to");
    if (args->given[OPT_STEPS] && args->number[OPT_STEPS] == 0)
        return cli_usage(args, "-n 0 would change nothing");
    if (!args->given[OPT_STEPS] && args->operand_count < 2)
        return cli_usage(args, "where to? a REF, or -n N");
    return EXIT_DONE;
}

static int find_target(const struct args *args, holog_store *store, const char *path,
                       uint64_t *out_number)
{
    if (!args->given[OPT_STEPS])
        return find_state(args, store, args->operands[1], out_number);
    int rc = holog_before_changes(store, path, args->number[OPT_STEPS], out_number);
    return rc < 0 ? cli_fail(args, rc, path) : EXIT_DONE;
}

static int roll_back(const struct args *args, const char *path)
{
    struct change change;
    uint64_t target = 0;
    int status = change_begin(args, &change);

    if (status != EXIT_DONE)
        return status;
    status = find_target(args, change.store, path, &target);
    if (status == EXIT_DONE) {
        int rc = holog_txn_rollback(change.txn, path, target);
        if (rc < 0)
            status = cli_fail(args, rc, path);
    }
    json_object *doc = head_json(args, path);
    json_add(doc, "target", json_number(target));
    return change_end(&change, status, path, doc);
}

static int show_rollback(const struct args *args, const char *path)
{
    holog_store *store = NULL;
    uint64_t target = 0;
    int status = cli_open(args, OPEN_READ, &store);

    if (status != EXIT_DONE)
        return status;
    status = find_target(args, store, path, &target);
    if (status == EXIT_DONE) {
        json_object *head = head_json(args, path);
        json_add(head, "target", json_number(target));
        json_add(head, "dry_run", json_object_new_boolean(1));
        status = show_differences(args, store, holog_last_number(store), target, path, head);
    }
    status = cli_close(args, store, status);
    return cli_flush(args, status);
}

int verb_rollback(const struct args *args)
{
    const char *path = args_operand(args, args->given[OPT_STEPS] ? 1 : 2);
    int status = check_rollback(args);

    if (path == NULL)
        path = "/";
    if (status != EXIT_DONE)
        return status;
    return args->given[OPT_DRY_RUN] ? show_rollback(args, path) : roll_back(args, path);
}
