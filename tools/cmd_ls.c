/*
 * cmd_ls.c: ls, stat.
 *
 * A listing is printed while the cursor moves: its length costs no memory. Names come in natural
 * order ("z2" before "z10"); with -r whole paths come, a directory before what is in it.
 */
#include <inttypes.h>
#include <string.h>

#include "array_file.h"
#include "verbs.h"

#define ARRAY_TEXT_MAX 200

struct listing {
    const struct args *args;
    holog_view *view;
    struct json_stream stream;
    uint64_t count;
};

/* ---- one entry ------------------------------------------------------------------------------- */

static bool read_target(holog_view *view, const char *path, char *target)
{
    return holog_view_readlink(view, path, target, HOLOG_PATH_MAX + 1) >= 0;
}

static uint64_t time_of(const struct listing *list, const char *path)
{
    holog_stat_info info = { .struct_size = sizeof info };

    return holog_view_stat(list->view, path, &info) < 0 ? 0 : info.time_ns;
}

static json_object *entry_json(const struct listing *list, const holog_entry *entry)
{
    json_object *out = json_object_new_object();
    char target[HOLOG_PATH_MAX + 1];

    json_add(out, "name", json_text(entry->name));
    json_add(out, "path", json_text(entry->path));
    json_add(out, "type", json_text(type_name(entry->type)));
    json_add(out, "bytes", json_number(entry->size_bytes));
    json_add(out, "commit", json_number(entry->number));
    if (list->args->given[OPT_LONG])
        json_add(out, "time_ns", json_number(time_of(list, entry->path)));
    if (list->args->given[OPT_LONG] && entry->type == HOLOG_ARRAY)
        json_add_array(out, list->view, entry->path);
    if (entry->type == HOLOG_SYMLINK && read_target(list->view, entry->path, target))
        json_add(out, "target", json_text(target));
    return out;
}

static void put_shown(const struct listing *list, const char *text)
{
    if (list->args->given[OPT_NUL])
        (void)fputs(text, stdout);
    else
        put_name(stdout, text);
}

static void put_entry(const struct listing *list, const holog_entry *entry)
{
    bool is_long = list->args->given[OPT_LONG];
    uint64_t bytes = entry->size_bytes;
    char array[ARRAY_TEXT_MAX] = "";
    char target[HOLOG_PATH_MAX + 1];
    char when[HUMAN_MAX];

    if (is_long && entry->type == HOLOG_ARRAY)
        (void)array_describe(list->view, entry->path, &bytes, array, sizeof array);
    if (is_long)
        (void)printf("%c %14" PRIu64 " %10" PRIu64 " %24s ", type_letter(entry->type), bytes,
                     entry->number, iso_time(time_of(list, entry->path), when));
    put_shown(list, list->args->given[OPT_RECURSIVE] ? entry->path : entry->name);
    if (is_long && entry->type == HOLOG_SYMLINK && read_target(list->view, entry->path, target)) {
        (void)fputs(" -> ", stdout);
        put_shown(list, target);
    }
    if (array[0] != 0 && !list->args->given[OPT_NUL])
        (void)printf("  %s", array);
    (void)putchar(list->args->given[OPT_NUL] ? '\0' : '\n');
}

static void show_entry(struct listing *list, const holog_entry *entry)
{
    list->count++;
    if (list->args->given[OPT_JSON])
        json_stream_item(&list->stream, entry_json(list, entry));
    else
        put_entry(list, entry);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool at_limit(const struct listing *list)
{
    uint64_t limit = list->args->number[OPT_LIMIT];

    return (limit != 0 && list->count >= limit) || ferror(stdout) != 0;
}

static int show_all(struct listing *list, holog_cursor *cursor)
{
    const holog_entry *entry = NULL;
    int rc = HOLOG_OK;

    while (!at_limit(list)) {
        rc = holog_cursor_next(cursor, &entry);
        if (rc < 0)
            break;
        show_entry(list, entry);
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc; /* NOENT is the end */
}

/* A path that is no directory lists itself, as ls does for a file. */
static int show_single(struct listing *list, const char *path)
{
    holog_stat_info info = { .struct_size = sizeof info };
    const char *slash = strrchr(path, '/');
    int rc = holog_view_stat(list->view, path, &info);

    if (rc < 0)
        return rc;
    show_entry(list, &(holog_entry){
                         .path = path,
                         .name = slash != NULL ? slash + 1 : path,
                         .path_len = strlen(path),
                         .type = info.type,
                         .size_bytes = info.size_bytes,
                         .number = info.number,
                     });
    return HOLOG_OK;
}

static bool is_other_entry(const struct listing *list, const char *path)
{
    holog_stat_info info = { .struct_size = sizeof info };

    return holog_view_stat(list->view, path, &info) >= 0 && info.type != HOLOG_MISSING &&
           info.type != HOLOG_DIRECTORY;
}

static int list_path(struct listing *list, const char *path)
{
    const struct args *args = list->args;
    unsigned flags = args->given[OPT_RECURSIVE] ? (unsigned)HOLOG_LIST_RECURSIVE : 0;
    struct holog_error_detail detail = { .code = HOLOG_OK };
    holog_cursor *cursor = NULL;
    int rc = holog_view_list(list->view, path, flags, args->text[OPT_PREFIX], args->text[OPT_AFTER],
                             &cursor);

    if (rc < 0)
        cli_detail(rc, &detail);
    bool single = rc == HOLOG_E_NOTDIR && is_other_entry(list, path);
    if (rc < 0 && !single)
        return cli_fail_detail(args, &detail, NULL, path); /* before any of the document */
    if (args->given[OPT_JSON]) {
        json_object *head = json_object_new_object();
        json_add(head, "store", json_text(args->operands[0]));
        json_add(head, "path", json_text(path));
        json_add(head, "commit", json_number(holog_view_number(list->view)));
        json_stream_begin(&list->stream, head, "entries");
    }
    rc = single ? show_single(list, path) : show_all(list, cursor);
    if (rc < 0)
        cli_detail(rc, &detail);
    holog_cursor_close(cursor);
    if (args->given[OPT_JSON]) {
        json_object *tail = json_object_new_object();
        if (rc < 0)
            json_add_error(tail, &detail);
        json_stream_end(&list->stream, tail);
    }
    return rc < 0 ? cli_fail_detail(args, &detail, NULL, path) : EXIT_DONE;
}

int verb_ls(const struct args *args)
{
    struct listing list = { .args = args };
    const char *path = args->operand_count > 1 ? args->operands[1] : "/";
    holog_store *store = NULL;
    int status = cli_open(args, OPEN_READ, &store);

    if (status != EXIT_DONE)
        return status;
    status = cli_view(args, store, &list.view);
    if (status == EXIT_DONE)
        status = list_path(&list, path);
    holog_view_close(list.view);
    status = cli_close(args, store, status);
    return cli_flush(args, status);
}

/* ---- stat ------------------------------------------------------------------------------------ */

static json_object *stat_json(const struct args *args, holog_view *view,
                              const holog_stat_info *info)
{
    json_object *out = json_object_new_object();
    char target[HOLOG_PATH_MAX + 1];
    char text[HUMAN_MAX * 2];

    json_add(out, "store", json_text(args->operands[0]));
    json_add(out, "path", json_text(args->operands[1]));
    if (args->given[OPT_AT])
        json_add(out, "at", json_number(holog_view_number(view)));
    json_add(out, "type", json_text(type_name(info->type)));
    json_add(out, "bytes", json_number(info->size_bytes));
    json_add(out, "commit", json_number(info->number));
    json_add(out, "time", info->time_ns != 0 ? json_text(iso_time(info->time_ns, text)) : NULL);
    json_add(out, "time_ns", json_number(info->time_ns));
    if (info->type ==
        HOLOG_BLOB) { /* what deltas made has no hash of its own, and may have no sum */
        bool hashed = info->hash_hi != 0 || info->hash_lo != 0;
        (void)snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, info->hash_hi,
                       info->hash_lo);
        json_add(out, "hash", hashed ? json_text(text) : NULL);
        json_add(out, "csum", info->csum < 96 ? json_number(info->csum) : NULL);
    }
    if (info->type == HOLOG_ARRAY)
        json_add_array(out, view, args->operands[1]);
    if (info->type == HOLOG_SYMLINK) {
        json_add(out, "target",
                 read_target(view, args->operands[1], target) ? json_text(target) : NULL);
        json_add(out, "target_type", json_text(type_name(info->target_type)));
    }
    json_add(out, "segment", json_number(info->segment));
    json_add(out, "offset", json_number(info->offset));
    return out;
}

static void put_stat(json_object *doc)
{
    json_object_object_foreach(doc, key, value) {
        if (strcmp(key, "store") == 0 || strcmp(key, "time_ns") == 0)
            continue;
        (void)printf("%-12s ", key);
        put_name(stdout, value != NULL ? json_object_get_string(value) : "-");
        (void)putchar('\n');
    }
}

static int stat_path(const struct args *args, holog_view *view, json_object **out_doc)
{
    holog_stat_info info = { .struct_size = sizeof info };
    const char *path = args->operands[1];
    int rc = holog_view_stat(view, path, &info);

    if (rc < 0)
        return cli_fail(args, rc, path);
    if (info.type == HOLOG_MISSING)
        return cli_fail_text(args, "%s: no such entry%s%s", path, args->given[OPT_AT] ? " at " : "",
                             args->given[OPT_AT] ? args->text[OPT_AT] : "");
    *out_doc = stat_json(args, view, &info);
    return EXIT_DONE;
}

int verb_stat(const struct args *args)
{
    holog_store *store = NULL;
    holog_view *view = NULL;
    json_object *doc = NULL;
    int status = cli_open(args, OPEN_READ, &store);

    if (status != EXIT_DONE)
        return status;
    status = cli_view(args, store, &view);
    if (status == EXIT_DONE)
        status = stat_path(args, view, &doc);
    holog_view_close(view);
    status = cli_close(args, store, status);
    if (doc != NULL && args->given[OPT_JSON]) {
        json_print(doc);
    } else if (doc != NULL) {
        put_stat(doc);
        (void)json_object_put(doc);
    }
    return cli_flush(args, status);
}
