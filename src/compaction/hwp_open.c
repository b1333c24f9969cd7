/*
 * A compressed segment, opened; see hwp.h.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "compaction/hwp_internal.h"

/* ---- where bytes come from -----------------------------------------------------------------------*/

static int read_segment(void *ctx, void *buf, size_t len, uint64_t offset, size_t *out_n)
{
    const struct hg_hwp *h = ctx;

    return hg_files_read(h->from.files, h->from.id, HG_KIND_HWP, buf, len, offset, out_n);
}

static int read_tmp(void *ctx, void *buf, size_t len, uint64_t offset, size_t *out_n)
{
    const struct hg_hwp *h = ctx;

    return hg_io_read_upto(h->file, buf, len, offset, out_n);
}

static int find_segment(struct hg_hwp *h)
{
    struct hg_file_info info = { 0 };
    struct hg_file *f = NULL;
    int rc = hg_files_get(h->from.files, h->from.id, HG_KIND_HWP, &f);

    if (rc < 0)
        return rc;
    rc = f->io->ops->info(f, &info);
    hg_files_put(h->from.files, h->from.id);
    h->bytes = (struct hg_hwp_bytes){ read_segment, h, info.size_bytes };
    return rc;
}

/* Not direct: what was written past the page cache is not in it, so it is read from the disk all the same. */
static int find_tmp(struct hg_hwp *h)
{
    struct hg_file_info info = { 0 };
    char name[HG_FILE_NAME_MAX];
    struct hg_io *io = h->from.io;
    int rc;

    hg_segment_tmp_name(name, h->from.id);
    rc = io->ops->open(io, name, 0, &h->file);
    if (rc == HOLOG_OK)
        rc = io->ops->info(h->file, &info);
    h->bytes = (struct hg_hwp_bytes){ read_tmp, h, info.size_bytes };
    return rc;
}

static int find_bytes(struct hg_hwp *h)
{
    if (h->from.bytes != NULL) {
        h->bytes = *h->from.bytes;
        return HOLOG_OK;
    }
    return h->from.files != NULL ? find_segment(h) : find_tmp(h);
}

int hg_hwp_read_bytes(struct hg_hwp *h, void *buf, size_t len, uint64_t offset)
{
    size_t n = 0;
    int rc = h->bytes.read(h->bytes.ctx, buf, len, offset, &n);

    if (rc < 0)
        return rc;
    if (n < len)
        return hg_corrupt(h->from.id, offset + n, "the file ends %zu bytes early", len - n);
    return HOLOG_OK;
}

/* ---- open ----------------------------------------------------------------------------------------*/

static int check_identity(const struct hg_hwp *h)
{
    const struct hg_segment_header *a = &h->header;
    const struct hg_hwp_footer *b = &h->footer;
    uint64_t at = h->bytes.size - HG_HWP_FOOTER_SIZE;

    if (a->epoch != b->epoch || a->salt != b->salt || memcmp(a->uuid, b->uuid, 16) != 0)
        return hg_corrupt(h->from.id, at + 16, "header and footer are not of the same segment");
    if (h->from.uuid == NULL)
        return HOLOG_OK;
    if (memcmp(a->uuid, h->from.uuid, 16) != 0 || a->salt != h->from.salt)
        return hg_corrupt(h->from.id, 32, "the segment belongs to another store");
    return HOLOG_OK;
}

static int read_ends(struct hg_hwp *h, uint8_t *room)
{
    uint64_t size = h->bytes.size;
    int rc;

    if (size < HG_HWP_SEGMENT_MIN || size > HG_HWP_SEGMENT_MAX)
        return hg_corrupt(h->from.id, 0, "a compressed segment of %llu bytes",
                          (unsigned long long)size);
    rc = hg_hwp_read_bytes(h, room, HG_SEGMENT_HEADER_SIZE, 0);
    if (rc == HOLOG_OK)
        rc = hg_segment_header_decode(room, h->from.id, HG_KIND_HWP, &h->header);
    if (rc == HOLOG_OK)
        rc = hg_hwp_read_bytes(h, room, HG_HWP_FOOTER_SIZE, size - HG_HWP_FOOTER_SIZE);
    if (rc == HOLOG_OK)
        rc = hg_hwp_footer_decode(room, h->from.id, size, &h->footer);
    return rc < 0 ? rc : check_identity(h);
}

static int read_tables(struct hg_hwp *h, struct hg_workspace *w)
{
    uint64_t begin = h->footer.table[0].offset;
    uint64_t aligned = HG_ALIGN_DOWN(begin, (uint64_t)HG_IO_BLOCK);
    size_t len = (size_t)(h->footer.size - HG_HWP_FOOTER_SIZE - aligned);
    uint8_t *room;
    int rc = hg_workspace_room(w, HG_WORK_PARTS, len, &room);

    if (rc == HOLOG_OK && len > 0)
        rc = hg_hwp_read_bytes(h, room, len, aligned);
    return rc < 0 ? rc : hg_hwp_tables_decode(&h->footer, room + (begin - aligned), &h->tables);
}

static int load(struct hg_hwp *h)
{
    struct hg_workspace *w = NULL;
    uint8_t *room;
    int rc = hg_workspace_take(h->from.work, &w);

    if (rc == HOLOG_OK)
        rc = hg_workspace_room(w, HG_WORK_HEADS, HG_HWP_FOOTER_SIZE, &room);
    if (rc == HOLOG_OK)
        rc = find_bytes(h);
    if (rc == HOLOG_OK)
        rc = read_ends(h, room);
    if (rc == HOLOG_OK)
        rc = read_tables(h, w);
    hg_workspace_give(h->from.work, w);
    return rc;
}

int hg_hwp_open(const struct hg_hwp_from *from, struct hg_hwp **out)
{
    struct hg_hwp *h = hg_calloc(1, sizeof *h);
    int rc;

    if (h == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open segment %08x", (unsigned)from->id);
    h->from = *from;
    rc = load(h);
    if (rc < 0)
        hg_hwp_close(h);
    else
        *out = h;
    return rc;
}

void hg_hwp_close(struct hg_hwp *h)
{
    if (h == NULL)
        return;
    if (h->file != NULL)
        (void)h->from.io->ops->close(h->file); /* only read from */
    hg_hwp_tables_release(&h->tables);
    hg_free(h);
}

/* ---- what the tables say -------------------------------------------------------------------------*/

const struct hg_hwp_tables *hg_hwp_tables(const struct hg_hwp *h)
{
    return &h->tables;
}

const struct hg_hwp_footer *hg_hwp_footer(const struct hg_hwp *h)
{
    return &h->footer;
}

const struct hg_segment_header *hg_hwp_header(const struct hg_hwp *h)
{
    return &h->header;
}

const struct hg_hwp_value *hg_hwp_find(const struct hg_hwp *h, uint64_t birth)
{
    return hg_hwp_tables_find(&h->tables, birth);
}

/* Where the first page not before this one stands. */
static size_t seek_page(const struct hg_hwp *h, uint64_t key)
{
    const struct hg_hwp_page *pages = h->tables.page;
    size_t lo = 0;
    size_t end = h->tables.count[HG_HWP_PAGES];

    while (lo < end) {
        size_t mid = lo + (end - lo) / 2;
        if (((uint64_t)pages[mid].segment << 32 | pages[mid].page) < key)
            lo = mid + 1;
        else
            end = mid;
    }
    return lo;
}

const struct hg_hwp_page *hg_hwp_find_page(const struct hg_hwp *h, uint32_t segment, uint32_t page)
{
    const struct hg_hwp_page *pages = h->tables.page;
    size_t at = seek_page(h, (uint64_t)segment << 32 | page);

    if (at == h->tables.count[HG_HWP_PAGES] || pages[at].segment != segment ||
        pages[at].page != page)
        return NULL;
    return &pages[at];
}

const struct hg_hwp_page *hg_hwp_find_pages(const struct hg_hwp *h, uint32_t segment, size_t *out_n)
{
    size_t from = seek_page(h, (uint64_t)segment << 32);

    *out_n =
        seek_page(h, (uint64_t)segment << 32 | UINT32_MAX) - from; /* no page has that number */
    return h->tables.page + from;
}
