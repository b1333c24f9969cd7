/*
 * The plug-in for TIFF files: images in memory, by libtiff.
 *
 * Files come from anybody. What a file says of its sizes is compared with its length and with what the caller
 * can take before memory is asked for; damage inside of the compressed bytes is libtiff's to find.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

#include "holog/error.h"
#include "plugins/plugin.h"

#define RATIO_MAX 4096u /* decoded bytes for each of the file: LZW comes to some 2,700 */
#define TILE_SPARE \
    (UINT64_C(64) << 20)         /* a tile may be larger than the image that it is a corner of */
#define STRIP       (256u << 10) /* bytes of a strip that is written, about */
#define ALLOC_MIN   (INT64_C(64) << 20)
#define SAMPLES_MAX 256 /* of a pixel that is written */
#define BIG_FROM    ((UINT64_C(1) << 32) - (UINT64_C(64) << 20))

const struct hg_plugin_tiff *holog_plugin_tiff(void);

static int refuse(int code, char *why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int refuse(int code, char *why, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(why, HG_PLUGIN_WHY, fmt, args); /* cut to fit */
    va_end(args);
    return code;
}

/* ---- a file in memory --------------------------------------------------------------------------------*/

struct memory {
    const uint8_t *data; /* what is read */
    uint8_t *to;         /* what is written: the same, or NULL */
    uint64_t len, cap;
    uint64_t at;
    void *(*grow)(void *ctx, size_t size);
    void *ctx;
    int full;                 /* grow had no more */
    char said[HG_PLUGIN_WHY]; /* the first error that libtiff told */
};

static tmsize_t read_memory(thandle_t h, void *out, tmsize_t size)
{
    struct memory *m = h;
    uint64_t left = m->at < m->len ? m->len - m->at : 0;
    uint64_t n = (uint64_t)size < left ? (uint64_t)size : left;

    if (size <= 0 || n == 0)
        return 0;
    memcpy(out, m->data + m->at, n);
    m->at += n;
    return (tmsize_t)n;
}

static int reserve(struct memory *m, uint64_t size)
{
    uint64_t cap = m->cap + m->cap / 2;

    if (size <= m->cap)
        return 1;
    cap = cap > size ? cap : size;
    uint8_t *to = m->grow(m->ctx, cap);
    if (to == NULL) {
        m->full = 1;
        return 0;
    }
    m->data = to;
    m->to = to;
    m->cap = cap;
    return 1;
}

static tmsize_t write_memory(thandle_t h, void *data, tmsize_t size)
{
    struct memory *m = h;

    if (size <= 0 || m->grow == NULL || m->at > INT64_MAX - (uint64_t)size ||
        !reserve(m, m->at + (uint64_t)size))
        return 0;
    if (m->at > m->len)
        memset(m->to + m->len, 0, m->at - m->len);
    memcpy(m->to + m->at, data, (size_t)size);
    m->at += (uint64_t)size;
    m->len = m->at > m->len ? m->at : m->len;
    return size;
}

/* Steps back come as huge numbers: sums wrap round to what is meant. */
static toff_t seek_memory(thandle_t h, toff_t offset, int whence)
{
    struct memory *m = h;

    if (whence == SEEK_CUR)
        m->at += offset;
    else
        m->at = (whence == SEEK_END ? m->len : 0) + offset;
    return m->at;
}

static int close_memory(thandle_t h)
{
    (void)h;
    return 0;
}

static toff_t size_of_memory(thandle_t h)
{
    return ((struct memory *)h)->len;
}

__attribute__((format(printf, 4, 0))) static int keep_error(TIFF *tif, void *user,
                                                            const char *module, const char *fmt,
                                                            va_list args)
{
    struct memory *m = user;

    (void)tif;
    (void)module; /* the name of a function of libtiff */
    if (m->said[0] == '\0')
        (void)vsnprintf(m->said, sizeof m->said, fmt, args); /* cut to fit */
    return 1;                                                /* nobody else is told */
}

__attribute__((format(printf, 4, 0))) static int drop_warning(TIFF *tif, void *user,
                                                              const char *module, const char *fmt,
                                                              va_list args)
{
    (void)tif;
    (void)user;
    (void)module;
    (void)fmt;
    (void)args;
    return 1;
}

static TIFF *open_memory(struct memory *m, const char *mode, uint64_t alloc_max)
{
    TIFFOpenOptions *opts = TIFFOpenOptionsAlloc();
    TIFF *tif = NULL;

    if (opts == NULL)
        return NULL;
    TIFFOpenOptionsSetErrorHandlerExtR(opts, keep_error, m);
    TIFFOpenOptionsSetWarningHandlerExtR(opts, drop_warning, m);
    if (alloc_max < INT64_MAX)
        TIFFOpenOptionsSetMaxSingleMemAlloc(opts, (int64_t)alloc_max > ALLOC_MIN
                                                      ? (tmsize_t)alloc_max
                                                      : ALLOC_MIN);
    tif = TIFFClientOpenExt("image", mode, m, read_memory, write_memory, seek_memory, close_memory,
                            size_of_memory, NULL, NULL, opts);
    TIFFOpenOptionsFree(opts);
    return tif;
}

/* What libtiff could not do, in its words. */
static int damaged(const struct memory *m, char *why, unsigned long page)
{
    return refuse(HOLOG_E_CORRUPT, why, "page %lu: %s", page,
                  m->said[0] != '\0' ? m->said : "damaged");
}

/* ---- pages -------------------------------------------------------------------------------------------*/

struct page {
    uint32_t width, height;
    uint32_t block_width, block_height; /* of a tile; of a strip */
    uint16_t samples, bits, format, compression;
    int tiled;
    int apart; /* each sample has blocks of its own */
};

static uint64_t page_bytes(const struct page *p)
{
    /* 2^32 x 2^32 x 2^16 x 8 does not fit */
    uint64_t row = (uint64_t)p->width * p->samples * (p->bits / 8u);
    uint64_t bytes = 0;
    return __builtin_mul_overflow(row, p->height, &bytes) ? UINT64_MAX : bytes;
}

/* The bytes of a block that is not cut at the edge. */
static uint64_t block_bytes(const struct page *p)
{
    struct page block = { .width = p->block_width,
                          .height = p->block_height,
                          .samples = p->apart ? 1 : p->samples,
                          .bits = p->bits };
    return page_bytes(&block);
}

static int check_samples(const struct page *p, char *why, unsigned long page)
{
    static const char *const formats[] = { "?",       "unsigned",        "signed", "float",
                                           "untyped", "complex integer", "complex" };
    int real = p->format == SAMPLEFORMAT_IEEEFP;
    int known = real || p->format == SAMPLEFORMAT_UINT || p->format == SAMPLEFORMAT_INT;

    if (known && (p->bits == 16 || p->bits == 32 || p->bits == 64 || (p->bits == 8 && !real)))
        return HOLOG_OK;
    return refuse(
        HOLOG_E_NOTSUP, why,
        "page %lu has %s samples of %u bits; integers of 8, 16, 32 and 64 and floats of 16, "
        "32 and 64 are known",
        page, formats[p->format <= 6 ? p->format : 0], p->bits);
}

/* Ways to store pixels in which samples do not stand one after the other. */
static int check_pixels(TIFF *tif, const struct page *p, char *why, unsigned long page)
{
    uint16_t photometric = PHOTOMETRIC_MINISBLACK;

    (void)TIFFGetField(tif, TIFFTAG_PHOTOMETRIC, &photometric);
    if (p->compression == COMPRESSION_OJPEG || !TIFFIsCODECConfigured(p->compression))
        return refuse(HOLOG_E_NOTSUP, why,
                      "page %lu is compressed in a way (%u) that this libtiff does not have", page,
                      p->compression);
    if (photometric == PHOTOMETRIC_YCBCR && p->compression == COMPRESSION_JPEG) {
        (void)TIFFSetField(tif, TIFFTAG_JPEGCOLORMODE,
                           JPEGCOLORMODE_RGB); /* libtiff turns it back */
    } else if (photometric == PHOTOMETRIC_YCBCR || photometric == PHOTOMETRIC_LOGL ||
               photometric == PHOTOMETRIC_LOGLUV) {
        return refuse(HOLOG_E_NOTSUP, why,
                      "page %lu has its pixels as luminance and colour (photometric %u)", page,
                      photometric);
    }
    return HOLOG_OK;
}

static int check_blocks(TIFF *tif, struct page *p, char *why, unsigned long page)
{
    uint32_t depth = 1;

    p->tiled = TIFFIsTiled(tif);
    p->block_width = p->width;
    if (p->tiled) {
        (void)TIFFGetFieldDefaulted(tif, TIFFTAG_TILEDEPTH, &depth);
        if (!TIFFGetField(tif, TIFFTAG_TILEWIDTH, &p->block_width) ||
            !TIFFGetField(tif, TIFFTAG_TILELENGTH, &p->block_height))
            p->block_width = 0;
    } else {
        (void)TIFFGetFieldDefaulted(tif, TIFFTAG_ROWSPERSTRIP, &p->block_height);
        if (p->block_height > p->height)
            p->block_height = p->height;
    }
    if (depth != 1)
        return refuse(HOLOG_E_NOTSUP, why, "page %lu has tiles with a depth", page);
    if (p->block_width == 0 || p->block_height == 0)
        return refuse(HOLOG_E_CORRUPT, why, "page %lu has tiles or strips of no size", page);
    if (p->tiled && block_bytes(p) > TILE_SPARE && block_bytes(p) > page_bytes(p))
        return refuse(HOLOG_E_TOOBIG, why, "page %lu has tiles that are larger than itself", page);
    return HOLOG_OK;
}

/* The page that libtiff is at. */
static int read_page(TIFF *tif, struct page *out, char *why, unsigned long page)
{
    struct page p = { .width = 0 };
    uint32_t depth = 1;
    uint16_t planar = PLANARCONFIG_CONTIG;

    if (!TIFFGetField(tif, TIFFTAG_IMAGEWIDTH, &p.width) ||
        !TIFFGetField(tif, TIFFTAG_IMAGELENGTH, &p.height) || p.width == 0 || p.height == 0)
        return refuse(HOLOG_E_CORRUPT, why, "page %lu has no width or no height", page);
    (void)TIFFGetFieldDefaulted(tif, TIFFTAG_IMAGEDEPTH, &depth);
    (void)TIFFGetFieldDefaulted(tif, TIFFTAG_SAMPLESPERPIXEL, &p.samples);
    (void)TIFFGetFieldDefaulted(tif, TIFFTAG_BITSPERSAMPLE, &p.bits);
    (void)TIFFGetFieldDefaulted(tif, TIFFTAG_SAMPLEFORMAT, &p.format);
    (void)TIFFGetFieldDefaulted(tif, TIFFTAG_COMPRESSION, &p.compression);
    (void)TIFFGetFieldDefaulted(tif, TIFFTAG_PLANARCONFIG, &planar);
    if (p.samples == 0)
        return refuse(HOLOG_E_CORRUPT, why, "page %lu has pixels without samples", page);
    if (depth != 1)
        return refuse(HOLOG_E_NOTSUP, why, "page %lu is an image with a depth", page);
    p.apart = planar == PLANARCONFIG_SEPARATE && p.samples > 1;
    int rc = check_samples(&p, why, page);
    if (rc == HOLOG_OK)
        rc = check_pixels(tif, &p, why, page);
    if (rc == HOLOG_OK)
        rc = check_blocks(tif, &p, why, page);
    if (rc == HOLOG_OK)
        *out = p;
    return rc;
}

static struct hg_image image_of(const struct page *p)
{
    struct hg_image image = { .kind = 'f',
                              .size = p->bits / 8u,
                              .pages = 1,
                              .height = p->height,
                              .width = p->width,
                              .samples = p->samples };

    if (p->format == SAMPLEFORMAT_UINT)
        image.kind = 'u';
    else if (p->format == SAMPLEFORMAT_INT)
        image.kind = 'i';
    return image;
}

static int check_alike(const struct hg_image *first, const struct hg_image *now, char *why,
                       unsigned long page)
{
    if (now->kind == first->kind && now->size == first->size && now->height == first->height &&
        now->width == first->width && now->samples == first->samples)
        return HOLOG_OK;
    return refuse(
        HOLOG_E_NOTSUP, why,
        "page %lu has %lu x %lu pixels of %lu x %c%u, those before it %lu x %lu of %lu x %c%u: "
        "only pages that are alike make an array",
        page, (unsigned long)now->height, (unsigned long)now->width, (unsigned long)now->samples,
        now->kind, now->size, (unsigned long)first->height, (unsigned long)first->width,
        (unsigned long)first->samples, first->kind, first->size);
}

/* Is it plausible that n pages like this are in a file of len bytes? */
static int check_total(const struct page *p, uint64_t n, size_t len, uint64_t max_bytes, char *why)
{
    uint64_t bytes = 0;

    if (__builtin_mul_overflow(page_bytes(p), n, &bytes) || bytes > max_bytes)
        return refuse(
            HOLOG_E_TOOBIG, why,
            "%lu pages of %lu x %lu pixels have more than the %lu bytes that are possible",
            (unsigned long)n, (unsigned long)p->height, (unsigned long)p->width,
            (unsigned long)max_bytes);
    if (p->compression == COMPRESSION_NONE && bytes > len)
        return refuse(HOLOG_E_CORRUPT, why,
                      "%lu pages of %lu x %lu pixels are not in a file of %lu bytes",
                      (unsigned long)n, (unsigned long)p->height, (unsigned long)p->width,
                      (unsigned long)len);
    if (bytes / RATIO_MAX > len)
        return refuse(HOLOG_E_TOOBIG, why,
                      "a file of %lu bytes says that it holds %lu: over %u times as many",
                      (unsigned long)len, (unsigned long)bytes, RATIO_MAX);
    return HOLOG_OK;
}

/* A smaller copy of a page, for previews. */
static int is_reduced(TIFF *tif)
{
    uint32_t kind = 0;

    (void)TIFFGetFieldDefaulted(tif, TIFFTAG_SUBFILETYPE, &kind);
    return (kind & FILETYPE_REDUCEDIMAGE) != 0;
}

/* ---- elements ----------------------------------------------------------------------------------------*/

/* A block of a page, and which part of it is inside. */
struct block {
    uint32_t x, y, width, height;
    uint16_t plane;
};

static void place(const struct page *p, const struct block *b, const uint8_t *from, uint8_t *out)
{
    size_t size = p->bits / 8u;
    size_t pixel = size * p->samples;
    size_t from_pixel = p->apart ? size : pixel;
    size_t from_row = from_pixel * p->block_width;

    for (uint32_t y = 0; y < b->height; y++) {
        uint8_t *to = out + ((size_t)(b->y + y) * p->width + b->x) * pixel + b->plane * size;
        const uint8_t *row = from + y * from_row;
        if (!p->apart) {
            memcpy(to, row, b->width * pixel);
            continue;
        }
        for (uint32_t x = 0; x < b->width; x++)
            memcpy(to + x * pixel, row + x * size, size);
    }
}

/* scratch: of a block's size; NULL where rows of strips stand in `out` as they do in the file. */
static int read_block(TIFF *tif, const struct page *p, const struct block *b, uint8_t *scratch,
                      uint8_t *out)
{
    size_t row = (size_t)p->block_width * (p->bits / 8u) * (p->apart ? 1u : p->samples);
    uint8_t *to = scratch != NULL ? scratch : out + b->y * row;
    tmsize_t size = (tmsize_t)(row * (p->tiled ? p->block_height : b->height));
    tmsize_t n =
        p->tiled ? TIFFReadEncodedTile(tif, TIFFComputeTile(tif, b->x, b->y, 0, b->plane), to, size)
                 : TIFFReadEncodedStrip(tif, TIFFComputeStrip(tif, b->y, b->plane), to, size);
    if (n != size)
        return 0;
    if (scratch != NULL)
        place(p, b, scratch, out);
    return 1;
}

static int read_blocks(TIFF *tif, const struct page *p, uint8_t *scratch, uint8_t *out)
{
    uint16_t planes = p->apart ? p->samples : 1;
    int ok = 1;

    for (struct block b = { .plane = 0 }; ok && b.plane < planes; b.plane++) {
        for (uint64_t y = 0; ok && y < p->height; y += p->block_height) {
            b.y = (uint32_t)y;
            b.height = p->height - b.y < p->block_height ? p->height - b.y : p->block_height;
            for (uint64_t x = 0; ok && x < p->width; x += p->block_width) {
                b.x = (uint32_t)x;
                b.width = p->width - b.x < p->block_width ? p->width - b.x : p->block_width;
                ok = read_block(tif, p, &b, scratch, out);
            }
        }
    }
    return ok;
}

/* ---- reading -----------------------------------------------------------------------------------------*/

struct reading {
    struct memory memory;
    TIFF *tif;
    unsigned long page;    /* counted with those that are passed over */
    struct hg_image image; /* its pages so far; 0: none yet */
    char *why;
};

static int begin(struct reading *r, const void *file, size_t len, uint64_t max_bytes, char *why)
{
    *r = (struct reading){ .memory = { .data = file, .len = len }, .why = why };
    if (len < 8)
        return refuse(HOLOG_E_CORRUPT, why, "a file of %lu bytes", (unsigned long)len);
    r->tif =
        open_memory(&r->memory, "rm", max_bytes); /* m: through read_memory, which knows the end */
    return r->tif != NULL ? HOLOG_OK : damaged(&r->memory, why, 0);
}

/* 1 in *out_more: libtiff is at another page that counts. */
static int next(struct reading *r, int *out_more)
{
    *out_more = 0;
    for (int first = r->image.pages == 0 && r->page == 0;; first = 0) {
        if (!first) {
            if (TIFFLastDirectory(r->tif))
                return HOLOG_OK;
            r->page++;
            if (!TIFFReadDirectory(r->tif))
                return damaged(&r->memory, r->why, r->page);
        }
        if (!is_reduced(r->tif))
            break;
    }
    *out_more = 1;
    return HOLOG_OK;
}

/* The page that was come to, as one more of the image. */
static int take_page(struct reading *r, struct page *out)
{
    int rc = read_page(r->tif, out, r->why, r->page);

    if (rc < 0)
        return rc;
    struct hg_image now = image_of(out);
    if (r->image.pages == 0) {
        r->image = now;
        return HOLOG_OK;
    }
    r->image.pages++;
    return check_alike(&r->image, &now, r->why, r->page);
}

static int describe(const void *file, size_t len, uint64_t max_bytes, struct hg_image *out,
                    char *why)
{
    struct reading r;
    struct page p = { .width = 0 };
    int more = 0;
    int rc = begin(&r, file, len, max_bytes, why);

    if (rc < 0)
        return rc;
    for (;;) {
        rc = next(&r, &more);
        if (rc < 0 || !more)
            break;
        rc = take_page(&r, &p);
        if (rc == HOLOG_OK)
            rc = check_total(&p, r.image.pages, len, max_bytes, why);
        if (rc < 0)
            break;
    }
    TIFFClose(r.tif);
    if (rc == HOLOG_OK && r.image.pages == 0)
        rc = refuse(HOLOG_E_NOTSUP, why, "no page but reduced copies");
    if (rc == HOLOG_OK)
        *out = r.image;
    return rc;
}

/* The elements of the page that was taken. */
static int read_elements(struct reading *r, const struct page *p, uint8_t *out)
{
    int direct = !p->tiled && !p->apart;
    uint8_t *scratch = direct ? NULL : malloc(block_bytes(p));

    if (!direct && scratch == NULL)
        return refuse(HOLOG_E_NOMEM, r->why, "no memory for a block of page %lu", r->page);
    int ok = read_blocks(r->tif, p, scratch, out);
    free(scratch);
    return ok ? HOLOG_OK : damaged(&r->memory, r->why, r->page);
}

static int decode(const void *file, size_t len, const struct hg_image *image, void *out, char *why)
{
    struct reading r;
    struct page p = { .width = 0 };
    uint64_t bytes = image->height * image->width * image->samples * image->size;
    uint8_t *to = out;
    int more = 0;
    int rc = begin(&r, file, len, bytes * image->pages, why);

    if (rc < 0)
        return rc;
    for (;;) {
        rc = next(&r, &more);
        if (rc < 0 || !more)
            break;
        rc = take_page(&r, &p);
        if (rc == HOLOG_OK && (page_bytes(&p) != bytes || r.image.pages > image->pages))
            rc = refuse(HOLOG_E_INVAL, why, "page %lu is not as it was described", r.page);
        if (rc == HOLOG_OK)
            rc = read_elements(&r, &p, to);
        if (rc < 0)
            break;
        to += bytes;
    }
    TIFFClose(r.tif);
    if (rc == HOLOG_OK && r.image.pages != image->pages)
        rc = refuse(HOLOG_E_INVAL, why, "fewer pages than were described");
    return rc;
}

/* ---- writing -----------------------------------------------------------------------------------------*/

static int set_fields(TIFF *tif, const struct hg_image *image, uint32_t rows)
{
    static const uint16_t unspecified[SAMPLES_MAX] = { EXTRASAMPLE_UNSPECIFIED };
    int format = image->kind == 'u'   ? SAMPLEFORMAT_UINT
                 : image->kind == 'i' ? SAMPLEFORMAT_INT
                                      : SAMPLEFORMAT_IEEEFP;
    int colour =
        (image->samples == 3 || image->samples == 4) && image->kind == 'u' && image->size <= 2;
    int extra = (int)image->samples - (colour ? 3 : 1);

    return TIFFSetField(tif, TIFFTAG_IMAGEWIDTH, (uint32_t)image->width) &&
           TIFFSetField(tif, TIFFTAG_IMAGELENGTH, (uint32_t)image->height) &&
           TIFFSetField(tif, TIFFTAG_BITSPERSAMPLE, (int)image->size * 8) &&
           TIFFSetField(tif, TIFFTAG_SAMPLEFORMAT, format) &&
           TIFFSetField(tif, TIFFTAG_SAMPLESPERPIXEL, (int)image->samples) &&
           TIFFSetField(tif, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) &&
           TIFFSetField(tif, TIFFTAG_COMPRESSION, COMPRESSION_NONE) &&
           TIFFSetField(tif, TIFFTAG_PHOTOMETRIC,
                        colour ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK) &&
           (extra == 0 || TIFFSetField(tif, TIFFTAG_EXTRASAMPLES, extra, unspecified)) &&
           TIFFSetField(tif, TIFFTAG_ROWSPERSTRIP, rows) &&
           (image->pages == 1 || TIFFSetField(tif, TIFFTAG_SUBFILETYPE, FILETYPE_PAGE));
}

static int write_page(TIFF *tif, const struct hg_image *image, const uint8_t *data)
{
    uint64_t row = image->width * image->samples * image->size;
    uint64_t rows = row < STRIP ? STRIP / row : 1;

    rows = rows < image->height ? rows : image->height;
    if (!set_fields(tif, image, (uint32_t)rows))
        return 0;
    for (uint64_t y = 0; y < image->height; y += rows) {
        uint64_t n = image->height - y < rows ? image->height - y : rows;
        /* libtiff asks for memory that it may change, and does not: the file has this machine's order. */
        void *from = (void *)(uintptr_t)(data + y * row);
        if (TIFFWriteEncodedStrip(tif, (uint32_t)(y / rows), from, (tmsize_t)(n * row)) < 0)
            return 0;
    }
    return TIFFWriteDirectory(tif);
}

/* The bytes of the elements, or 0: no TIFF file can hold them. */
static uint64_t measure(const struct hg_image *i)
{
    uint64_t row = i->samples * i->size;
    uint64_t bytes = 0;

    if (i->pages == 0 || i->height == 0 || i->width == 0 || i->samples == 0)
        return 0;
    if (i->height > INT32_MAX || i->width > INT32_MAX || i->samples > SAMPLES_MAX)
        return 0;
    return __builtin_mul_overflow(row * i->width, i->height, &bytes) ||
                   __builtin_mul_overflow(bytes, i->pages, &bytes) || bytes > INT64_MAX / 2
               ? 0
               : bytes;
}

static int encode(const struct hg_image *image, const void *data, unsigned flags,
                  void *(*grow)(void *ctx, size_t size), void *ctx, size_t *out_len, char *why)
{
    struct memory m = { .grow = grow, .ctx = ctx };
    uint64_t bytes = measure(image);

    if (bytes == 0)
        return refuse(
            HOLOG_E_NOTSUP, why,
            "%lu pages of %lu x %lu pixels with %lu samples: none is 0 in a TIFF file, a side "
            "is at most 2^31 - 1, and samples are at most 256",
            (unsigned long)image->pages, (unsigned long)image->height, (unsigned long)image->width,
            (unsigned long)image->samples);
    uint64_t around = image->pages * 512 + bytes / STRIP * 32 + image->pages * image->samples * 8;
    int big = (flags & HG_TIFF_BIG) != 0 || bytes + around > BIG_FROM;
    if (!reserve(&m, bytes + around)) /* so that it does not move in between */
        return refuse(HOLOG_E_NOMEM, why, "no memory for %lu bytes", (unsigned long)bytes);
    TIFF *tif = open_memory(&m, big ? "wl8" : "wl", UINT64_MAX);
    int ok = tif != NULL;
    for (uint64_t page = 0; ok && page < image->pages; page++)
        ok = write_page(tif, image, (const uint8_t *)data + page * (bytes / image->pages));
    if (tif != NULL)
        TIFFClose(tif);
    if (!ok || m.full)
        return refuse(m.full ? HOLOG_E_NOMEM : HOLOG_E_IO, why, "%s",
                      m.said[0] != '\0' ? m.said : "no memory");
    *out_len = m.len;
    return HOLOG_OK;
}

__attribute__((visibility("default"))) const struct hg_plugin_tiff *holog_plugin_tiff(void)
{
    static const struct hg_plugin_tiff table = { .version = HG_PLUGIN_VERSION,
                                                 .struct_size = sizeof table,
                                                 .describe = describe,
                                                 .decode = decode,
                                                 .encode = encode };
    return &table;
}
