/*
 * Objects: loaded ones, counted; and those to be saved, from a caller's description.
 */
#include <string.h>

#include "array/dtype.h"
#include "array/grid.h"
#include "backends/manager.h"
#include "base/alloc.h"
#include "base/error.h"
#include "engine/store_internal.h"

struct holog_object {
    holog_payload payload; /* fixed */
    uint32_t refs;         /* atomic */
};

/* ---- loaded --------------------------------------------------------------------------------------*/

void hg_payload_release(const holog_payload *payload)
{
    if (payload->release != NULL)
        payload->release(payload->owner);
}

int hg_object_new(const holog_payload *payload, holog_object **out)
{
    holog_object *o = hg_malloc(sizeof *o);

    if (o == NULL) {
        hg_payload_release(payload);
        return hg_error(HOLOG_E_NOMEM, "no memory for an object");
    }
    o->payload = *payload;
    o->refs = 1;
    *out = o;
    return HOLOG_OK;
}

const void *holog_object_data(const holog_object *object)
{
    return object == NULL ? NULL : object->payload.data;
}

uint64_t holog_object_size(const holog_object *object)
{
    return object == NULL ? 0 : object->payload.info.size_bytes;
}

int holog_object_get_info(const holog_object *object, holog_object_info *out_info)
{
    holog_object_info info;
    int rc = object == NULL ? hg_error(HOLOG_E_INVAL, "the object is NULL")
                            : hg_struct_check(out_info, "holog_object_info");

    if (rc < 0)
        return rc;
    info = object->payload.info;
    hg_struct_fill(out_info, &info, sizeof info);
    return HOLOG_OK;
}

holog_object *holog_object_retain(holog_object *object)
{
    if (object != NULL)
        __atomic_add_fetch(&object->refs, 1, __ATOMIC_RELAXED);
    return object;
}

void holog_object_release(holog_object *object)
{
    if (object == NULL || __atomic_sub_fetch(&object->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    hg_payload_release(&object->payload);
    hg_free(object);
}

/* ---- to be saved -----------------------------------------------------------------------------------*/

static int take_blob(const holog_object_spec *in, const char *what, holog_object_spec *out)
{
    if (in->data == NULL && in->len_bytes > 0)
        return hg_error(HOLOG_E_INVAL, "%s: data is NULL", what);
    if (in->len_bytes > SIZE_MAX / 2)
        return hg_error(HOLOG_E_TOOBIG, "%s: more bytes than there is memory", what);
    out->data = in->data;
    out->len_bytes = in->len_bytes;
    return HOLOG_OK;
}

/* Bytes of all elements; no product of the sizes that are not 0 overflows. */
static int count_bytes(const holog_object_spec *s, const char *what, uint64_t *out_bytes)
{
    uint64_t bytes = s->item_size;
    int none = 0;

    for (unsigned i = 0; i < s->rank; i++) {
        none |= s->shape[i] == 0;
        if (s->shape[i] > 0 &&
            (__builtin_mul_overflow(bytes, s->shape[i], &bytes) || bytes > INT64_MAX))
            return hg_error(HOLOG_E_TOOBIG, "%s: the array has more than 2^63 bytes", what);
    }
    *out_bytes = none ? 0 : bytes;
    return HOLOG_OK;
}

static int is_c_order(const holog_object_spec *s)
{
    int64_t want[HG_RANK_MAX];

    hg_strides_of(s->rank, s->shape, s->item_size, want);
    for (unsigned i = 0; i < s->rank; i++)
        if (s->shape[i] > 1 && s->strides[i] != want[i])
            return 0;
    return 1;
}

static int take_array(const holog_object_spec *in, const char *what, holog_object_spec *out)
{
    int rc;

    if (holog_dtype_name(in->dtype) == NULL)
        return hg_error(HOLOG_E_INVAL, "%s: there is no type %u", what, in->dtype);
    if (in->rank > HOLOG_RANK_MAX || (in->rank > 0 && in->shape == NULL))
        return hg_error(HOLOG_E_INVAL, "%s: %u axes, or shape is NULL", what, in->rank);
    if (in->dtype == HOLOG_RAW && (in->item_size == 0 || in->item_size > HOLOG_ITEM_MAX))
        return hg_error(HOLOG_E_INVAL, "%s: item_size is %u", what, in->item_size);
    out->dtype = in->dtype;
    out->item_size = in->dtype == HOLOG_RAW ? in->item_size : holog_dtype_size(in->dtype);
    out->rank = in->rank;
    out->shape = in->shape;
    rc = count_bytes(out, what, &out->len_bytes);
    if (rc < 0)
        return rc;
    if (in->len_bytes != 0 && in->len_bytes != out->len_bytes)
        return hg_error(HOLOG_E_INVAL, "%s: len_bytes is %llu, type and shape say %llu", what,
                        (unsigned long long)in->len_bytes, (unsigned long long)out->len_bytes);
    if (in->data == NULL && out->len_bytes > 0)
        return hg_error(HOLOG_E_INVAL, "%s: data is NULL", what);
    out->data = in->data;
    out->strides = in->strides;
    if (out->strides != NULL && (out->len_bytes == 0 || is_c_order(out)))
        out->strides = NULL;
    return HOLOG_OK;
}

int hg_object_spec_take(const holog_object_spec *in, const char *what, holog_object_spec *out)
{
    holog_object_spec known = { 0 };
    int rc;

    if (in == NULL)
        return hg_error(HOLOG_E_INVAL, "%s: the object is NULL", what);
    rc = hg_struct_check(in, "holog_object_spec");
    if (rc < 0)
        return rc;
    memcpy(&known, in, HG_MIN((size_t)in->struct_size, sizeof known));
    *out = (holog_object_spec){ .struct_size = sizeof *out, .kind = known.kind };
    if (known.kind == HOLOG_OBJECT_BLOB)
        return take_blob(&known, what, out);
    if (known.kind == HOLOG_OBJECT_ARRAY)
        return take_array(&known, what, out);
    return hg_error(HOLOG_E_INVAL, "%s: kind %u is neither a blob nor an array", what, known.kind);
}

void hg_object_spec_flatten(const holog_object_spec *spec, void *out)
{
    int64_t strides[HG_RANK_MAX];

    if (spec->strides == NULL) {
        if (spec->len_bytes > 0)
            memcpy(out, spec->data, (size_t)spec->len_bytes);
        return;
    }
    hg_strides_of(spec->rank, spec->shape, spec->item_size, strides);
    hg_copy_strided(spec->rank, spec->shape, spec->item_size, out, strides, spec->data,
                    spec->strides);
}
