/*
 * cmd_tag.c: tag. Names for states: given, listed, deleted.
 */
#include <inttypes.h>

#include "verbs.h"

/* ---- listing --------------------------------------------------------------------------------- */

struct tag_listing {
    const struct args *args;
    struct json_stream stream;
};

static int show_tag(void *ctx, const char *name, uint64_t number, uint64_t time_ns)
{
    struct tag_listing *list = ctx;
    char when[HUMAN_MAX];

    (void)iso_time(time_ns, when);
    if (list->args->given[OPT_JSON]) {
        json_object *item = json_object_new_object();
        json_add(item, "name", json_text(name));
        json_add(item, "commit", json_number(number));
        json_add(item, "time", json_text(when));
        json_add(item, "time_ns", json_number(time_ns));
        json_stream_item(&list->stream, item);
    } else {
        (void)printf("%10" PRIu64 "  %s  %s\n", number, when, name);
    }
    return ferror(stdout) != 0;
}

static int list_tags(const struct args *args, holog_store *store)
{
    struct tag_listing list = { .args = args };
    struct holog_error_detail detail;

    if (args->given[OPT_JSON]) {
        json_object *head = json_object_new_object();
        json_add(head, "store", json_text(args->operands[0]));
        json_stream_begin(&list.stream, head, "tags");
    }
    int rc = holog_tag_list(store, show_tag, &list);
    if (rc < 0)
        cli_detail(rc, &detail);
    if (args->given[OPT_JSON]) {
        json_object *tail = json_object_new_object();
        if (rc < 0)
            json_add_error(tail, &detail);
        json_stream_end(&list.stream, tail);
    }
    return rc < 0 ? cli_fail_detail(args, &detail, NULL, NULL) : EXIT_DONE;
}

/* ---- giving and taking away ------------------------------------------------------------------ */

static int set_tag(const struct args *args, holog_store *store, json_object *doc)
{
    const char *name = args->operands[1];
    const char *ref = args->operand_count > 2 ? args->operands[2] : "HEAD";
    uint64_t number = 0;
    int rc = holog_ref(store, ref, &number);

    if (rc < 0)
        return cli_fail(args, rc, ref);
    if (number == 0)
        return cli_fail_text(args, "%s: there is no commit yet that a tag could name", ref);
    rc = holog_tag(store, name, number, args->given[OPT_FORCE] ? (unsigned)HOLOG_REPLACE : 0);
    if (rc < 0)
        return cli_fail(args, rc, name);
    json_add(doc, "name", json_text(name));
    json_add(doc, "commit", json_number(number));
    return EXIT_DONE;
}

static int delete_tag(const struct args *args, holog_store *store, json_object *doc)
{
    const char *name = args->text[OPT_DELETE];
    int rc = holog_tag_delete(store, name);

    if (rc < 0)
        return cli_fail(args, rc, name);
    json_add(doc, "name", json_text(name));
    json_add(doc, "deleted", json_object_new_boolean(1));
    return EXIT_DONE;
}

static int check_words(const struct args *args)
{
    bool lists = args->given[OPT_LIST];
    bool deletes = args->given[OPT_DELETE];

    if (lists && deletes)
        return cli_usage(args, "--list and --delete exclude each other");
    if ((lists || deletes) && args->operand_count > 1)
        return cli_usage(args, "%s takes no NAME besides", lists ? "--list" : "--delete NAME");
    if (args->given[OPT_FORCE] && args->operand_count < 2)
        return cli_usage(args, "--force goes with a NAME");
    return EXIT_DONE;
}

int verb_tag(const struct args *args)
{
    bool lists = !args->given[OPT_DELETE] && args->operand_count == 1; /* --list, or nothing */
    holog_store *store = NULL;
    int status = check_words(args);

    if (status == EXIT_DONE)
        status = cli_open(args, lists ? OPEN_READ : OPEN_WRITE, &store);
    if (status != EXIT_DONE)
        return status;
    json_object *doc = json_object_new_object();
    json_add(doc, "store", json_text(args->operands[0]));
    if (lists)
        status = list_tags(args, store);
    else if (args->given[OPT_DELETE])
        status = delete_tag(args, store, doc);
    else
        status = set_tag(args, store, doc);
    status = cli_close(args, store, status);
    if (status == EXIT_DONE && args->given[OPT_JSON] && !lists)
        json_print(json_object_get(doc));
    (void)json_object_put(doc);
    return cli_flush(args, status);
}
