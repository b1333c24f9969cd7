/*
 * The backends that are entries of a store and nothing beside: memory and zarr.
 */
#include "backends/instore/instore.h"

static int open_memory(const holog_backend_options *opts, void **out_self)
{
    return hg_instore_open(opts, HOLOG_DURABILITY_ASYNC, HOLOG_CHUNKS_WHOLE, out_self);
}

static int open_zarr(const holog_backend_options *opts, void **out_self)
{
    return hg_instore_open(opts, HOLOG_DURABILITY_SYNC, HOLOG_CHUNKS_PLANES, out_self);
}

const holog_backend_ops hg_backend_memory = {
    .struct_size = sizeof(holog_backend_ops),
    .version = HOLOG_BACKEND_VERSION,
    .name = "memory",
    .flags = HOLOG_BACKEND_STRIDES | HOLOG_BACKEND_DEEP,
    .open = open_memory,
    .close = hg_instore_close,
    .save = hg_instore_save,
    .load = hg_instore_load,
    .stat = hg_instore_stat,
    .list = hg_instore_list,
    .ensure_directory = hg_instore_ensure_directory,
    .remove = hg_instore_remove,
    .copy = hg_instore_copy,
    .move = hg_instore_move,
    .symlink = hg_instore_symlink,
    .readlink = hg_instore_readlink,
    .resolve = hg_instore_resolve,
    .wait = hg_instore_wait,
    .remove_files = hg_instore_remove_files,
};

const holog_backend_ops hg_backend_zarr = {
    .struct_size = sizeof(holog_backend_ops),
    .version = HOLOG_BACKEND_VERSION,
    .name = "zarr",
    .flags = HOLOG_BACKEND_STRIDES | HOLOG_BACKEND_DEEP,
    .open = open_zarr,
    .close = hg_instore_close,
    .save = hg_instore_save,
    .load = hg_instore_load,
    .stat = hg_instore_stat,
    .list = hg_instore_list,
    .ensure_directory = hg_instore_ensure_directory,
    .remove = hg_instore_remove,
    .copy = hg_instore_copy,
    .move = hg_instore_move,
    .symlink = hg_instore_symlink,
    .readlink = hg_instore_readlink,
    .resolve = hg_instore_resolve,
    .wait = hg_instore_wait,
    .remove_files = hg_instore_remove_files,
};
