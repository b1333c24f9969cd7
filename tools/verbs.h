/*
 * verbs.h: the function behind each verb; see the table in main.c for what it takes.
 */
#ifndef HOLOG_TOOLS_VERBS_H
#define HOLOG_TOOLS_VERBS_H

#include "cli.h"

int verb_init(const struct args *args);
int verb_config(const struct args *args);
int verb_info(const struct args *args);
int verb_calibrate(const struct args *args);
int verb_save(const struct args *args);
int verb_load(const struct args *args);
int verb_ls(const struct args *args);
int verb_stat(const struct args *args);
int verb_delta(const struct args *args);
int verb_rm(const struct args *args);
/* Its --purge. All but the last return the exit status. */
struct purge {
    struct birth *births; /* of what is to go */
    size_t count;
    size_t room;
    char **paths; /* of each operand, without links on the way; NULL: as it was given */
    int operands;
};
int purge_begin(const struct args *args, holog_store *store, struct purge *out);
/* Of a transaction that has deleted all, before its commit: whether something else keeps the bytes. */
int purge_check(const struct args *args, holog_store *store, holog_txn *txn,
                const struct purge *purge);
int purge_now(const struct args *args, holog_store *store, json_object *document);
void purge_end(struct purge *purge);
int verb_mkdir(const struct args *args);
int verb_mv(const struct args *args);
int verb_cp(const struct args *args);
int verb_ln(const struct args *args);
int verb_batch(const struct args *args);
int verb_tag(const struct args *args);
int verb_diff(const struct args *args);
int verb_rollback(const struct args *args);
int verb_log(const struct args *args);
int verb_gc(const struct args *args);
int verb_compact(const struct args *args);
int verb_du(const struct args *args);
int verb_verify(const struct args *args);
int verb_scrub(const struct args *args);
int verb_repair(const struct args *args);
int verb_dump(const struct args *args);
int verb_stats(const struct args *args);
int stats_segments(const struct args *args, holog_store *store); /* its --segments */
int stats_codecs(const struct args *args, holog_store *store);   /* its --codecs; the exit status */
int verb_serve(const struct args *args);
int verb_export(const struct args *args);
int verb_import(const struct args *args);
int verb_ome(const struct args *args);
int verb_pyramid(const struct args *args);
int verb_bench(const struct args *args);

/* Of an import, before it commits: what is wrong with its OME metadata. The exit status. */
int ome_check_import(const struct args *args, holog_txn *txn, const char *path);

#endif
