/*
 * cmd_log.c: log. Commits, newest first, printed as the log is read. Of a path that is, or last was,
 * a value, its versions: they come from the index, whatever the length of the log. Of a directory the
 * commits that changed it or something below it.
 */
#include <inttypes.h>

#include "verbs.h"

struct log_listing {
    const struct args *args;
    struct json_stream stream;
    uint64_t count; /* commits shown */
};

static json_object *meta_json(const char *const *meta)
{
    json_object *out = json_object_new_object();

    for (size_t i = 0; meta != NULL && meta[i] != NULL && meta[i + 1] != NULL; i += 2)
        json_add(out, meta[i], json_text(meta[i + 1]));
    return out;
}

static json_object *commit_json(const holog_commit_info *info)
{
    json_object *out = json_object_new_object();
    char when[HUMAN_MAX];

    json_add(out, "commit", json_number(info->number));
    json_add(out, "time", json_text(iso_time(info->time_ns, when)));
    json_add(out, "time_ns", json_number(info->time_ns));
    json_add(out, "changes", json_number(info->records));
    json_add(out, "bytes", json_number(info->bytes));
    json_add(out, "segment", json_number(info->segment));
    json_add(out, "offset", json_number(info->offset));
    json_add(out, "message", json_text(info->message != NULL ? info->message : ""));
    json_add(out, "meta", meta_json(info->meta));
    if (info->path != NULL)
        json_add(out, "path", json_text(info->path));
    return out;
}

/* The end of a line. Always escaped: one commit is one line, whatever its message holds. */
static void put_notes(const char *message, const char *const *meta)
{
    if (message != NULL && message[0] != '\0') {
        (void)fputs("  ", stdout);
        put_escaped(stdout, message);
    }
    for (size_t i = 0; meta != NULL && meta[i] != NULL && meta[i + 1] != NULL; i += 2) {
        (void)fputs("  ", stdout);
        put_escaped(stdout, meta[i]);
        (void)putchar('=');
        put_escaped(stdout, meta[i + 1]);
    }
    (void)putchar('\n');
}

static void put_commit(const holog_commit_info *info)
{
    char when[HUMAN_MAX];
    char bytes[HUMAN_MAX];

    (void)printf("%10" PRIu64 "  %s  %6" PRIu32 " %-7s  %10s", info->number,
                 iso_time(info->time_ns, when), info->records,
                 info->records == 1 ? "change" : "changes", human_bytes(info->bytes, bytes));
    if (info->path != NULL) {
        (void)fputs("  ", stdout);
        put_escaped(stdout, info->path);
    }
    put_notes(info->message, info->meta);
}

static int show_commit(void *ctx, const holog_commit_info *info)
{
    struct log_listing *list = ctx;

    list->count++;
    if (list->args->given[OPT_JSON])
        json_stream_item(&list->stream, commit_json(info));
    else
        put_commit(info);
    return ferror(stdout) != 0;
}

/* ---- versions of a value --------------------------------------------------------------------- */

struct version_listing {
    const struct args *args;
    struct json_stream stream;
    uint64_t count;
    holog_store *store;
    uint64_t newer; /* number of the version shown before */
    bool is_directory;
};

static bool is_kept(holog_store *store, uint64_t number)
{
    holog_view *view = NULL;
    int rc = holog_view_open_at(store, number, &view);

    holog_view_close(view);
    return rc >= 0;
}

/* What became of a version: it is current, or another one, or nothing, took its place. What did is not
 * known when that state is not kept. */
static const char *fate_of(const struct version_listing *list, const holog_version_info *info)
{
    if (info->end_number == 0)
        return "current";
    if (list->count > 0 && list->newer == info->end_number)
        return "replaced";
    return is_kept(list->store, info->end_number) ? "removed" : "ended";
}

static json_object *version_json(const holog_version_info *info, const char *fate)
{
    json_object *out = json_object_new_object();
    char when[HUMAN_MAX];

    json_add(out, "commit", json_number(info->number));
    json_add(out, "time", info->time_ns != 0 ? json_text(iso_time(info->time_ns, when)) : NULL);
    json_add(out, "time_ns", json_number(info->time_ns));
    json_add(out, "type", json_text(type_name(info->type)));
    json_add(out, "bytes", json_number(info->size_bytes));
    json_add(out, "fate", json_text(fate));
    json_add(out, "end_commit", info->end_number != 0 ? json_number(info->end_number) : NULL);
    json_add(out, "segment", json_number(info->segment));
    json_add(out, "offset", json_number(info->offset));
    json_add(out, "message", json_text(info->message));
    json_add(out, "meta", meta_json(info->meta));
    return out;
}

static void put_version(const holog_version_info *info, const char *fate)
{
    char when[HUMAN_MAX];
    char text[HUMAN_MAX + 8];
    bool notes = info->message[0] != '\0' || info->meta[0] != NULL;

    (void)printf("%10" PRIu64 "  %24s  %10s", info->number, iso_time(info->time_ns, when),
                 info->type == HOLOG_DIRECTORY ? "dir" : human_bytes(info->size_bytes, text));
    if (info->end_number == 0)
        (void)snprintf(text, sizeof text, "%s", fate);
    else
        (void)snprintf(text, sizeof text, "%s by %" PRIu64, fate, info->end_number);
    (void)printf("  %-*s", notes ? 18 : 0, text); /* no blanks at the end of a line */
    put_notes(info->message, info->meta);
}

static int show_version(void *ctx, const holog_version_info *info)
{
    struct version_listing *list = ctx;
    const char *fate = fate_of(list, info);

    if (list->count == 0 && info->type == HOLOG_DIRECTORY) {
        list->is_directory = true;
        return 1;
    }
    if (list->count == 0 && list->args->given[OPT_JSON]) {
        json_object *head = json_object_new_object();
        json_add(head, "store", json_text(list->args->operands[0]));
        json_add(head, "path", json_text(list->args->operands[1]));
        json_stream_begin(&list->stream, head, "versions");
    }
    list->newer = info->number;
    list->count++;
    if (list->args->given[OPT_JSON])
        json_stream_item(&list->stream, version_json(info, fate));
    else
        put_version(info, fate);
    return ferror(stdout) != 0;
}

/* False: there are none to show, the log may have commits. */
static bool show_versions(const struct args *args, holog_store *store, int *out_status)
{
    struct version_listing list = { .args = args, .store = store };
    struct holog_error_detail detail = { .code = HOLOG_OK };
    const char *path = args->operands[1];
    int rc = holog_history(store, path, args->number[OPT_LIMIT], show_version, &list);

    if (list.is_directory || (list.count == 0 && (rc == HOLOG_E_NOENT || rc == HOLOG_E_INVAL)))
        return false;
    if (rc < 0)
        cli_detail(rc, &detail);
    if (list.count > 0 && args->given[OPT_JSON]) {
        json_object *tail = json_object_new_object();
        if (rc < 0)
            json_add_error(tail, &detail);
        json_stream_end(&list.stream, tail);
    }
    *out_status = rc < 0 ? cli_fail_detail(args, &detail, NULL, path) : EXIT_DONE;
    return true;
}

/* ---- commits --------------------------------------------------------------------------------- */

static int show_log(struct log_listing *list, holog_store *store, const char *path)
{
    const struct args *args = list->args;
    struct holog_error_detail detail;

    if (args->given[OPT_JSON]) {
        json_object *head = json_object_new_object();
        json_add(head, "store", json_text(args->operands[0]));
        if (path != NULL)
            json_add(head, "path", json_text(path));
        json_stream_begin(&list->stream, head, "commits");
    }
    int rc = holog_log(store, path, args->number[OPT_BEFORE], args->number[OPT_LIMIT], show_commit,
                       list);
    if (rc < 0)
        cli_detail(rc, &detail);
    if (args->given[OPT_JSON]) {
        json_object *tail = json_object_new_object();
        if (rc < 0)
            json_add_error(tail, &detail);
        json_stream_end(&list->stream, tail);
    }
    if (rc < 0)
        return cli_fail_detail(args, &detail, NULL, path);
    /* Of the whole log: a page behind the last commit is just empty. */
    if (path != NULL && list->count == 0 && !args->given[OPT_BEFORE])
        return cli_fail_text(args, "%s: no commit has ever changed it", path);
    return EXIT_DONE;
}

int verb_log(const struct args *args)
{
    struct log_listing list = { .args = args };
    holog_store *store = NULL;

    if (args->given[OPT_BEFORE] && args->number[OPT_BEFORE] == 0)
        return cli_usage(args, "--before: no commit has a number below 0");
    int status = cli_open(args, OPEN_READ, &store);

    if (status != EXIT_DONE)
        return status;
    const char *path = args_operand(args, 1);
    bool versions = path != NULL && !args->given[OPT_BEFORE];
    if (!versions || !show_versions(args, store, &status))
        status = show_log(&list, store, path);
    status = cli_close(args, store, status);
    return cli_flush(args, status);
}
