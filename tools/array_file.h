/*
 * array_file.h: arrays from files and to files, for save and load.
 */
#ifndef HOLOG_TOOLS_ARRAY_FILE_H
#define HOLOG_TOOLS_ARRAY_FILE_H

#include "cli.h"

/* save: `file` holds an array in that format (enum holog_file_format). Returns the exit status. */
int save_array_file(const struct args *args, const char *file, uint32_t format);
/* load: the array, `halvings` times halved, as bytes of that format into fd, called `name` in messages.
 * HOLOG_FILE_BYTES: elements in C order, and nothing else. */
int load_array_file(const struct args *args, holog_view *view, uint32_t halvings, uint32_t format,
                    int fd, const char *name);
/* What `stat` says of an array: bytes of all elements, dtype, shape, chunk_shape, attributes. */
void json_add_array(json_object *doc, holog_view *view, const char *path);
/* Its dtype and shape, as "uint16 (3, 4)", cut where there is no room; *out_bytes of all elements. False: it cannot
 * be opened. */
bool array_describe(holog_view *view, const char *path, uint64_t *out_bytes, char *out,
                    size_t size);

#endif
