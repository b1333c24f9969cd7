/*
 * Names of a plate's rows: A to Z, then AA to ZZ, then AAA, as microplates of more than 26 rows have them.
 */
#include <string.h>

#include "base/error.h"
#include "ome/ome_internal.h"

#define LETTERS  26u
#define ROWS_MAX (LETTERS + LETTERS * LETTERS + LETTERS * LETTERS * LETTERS)

int holog_ome_row_name(uint32_t index, char out[HOLOG_OME_ROW_NAME_MAX])
{
    unsigned len = index < LETTERS ? 1 : index < LETTERS + LETTERS * LETTERS ? 2 : 3;
    uint32_t left = index + 1; /* digits are 1 to 26: there is no zero among letters */

    if (out == NULL)
        return hg_error(HOLOG_E_INVAL, "out is NULL");
    if (index >= ROWS_MAX)
        return hg_error(HOLOG_E_RANGE, "row %u has no name of three letters", index);
    out[len] = 0;
    while (len > 0) {
        left--;
        out[--len] = (char)('A' + left % LETTERS);
        left /= LETTERS;
    }
    return HOLOG_OK;
}

int holog_ome_row_index(const char *name, uint32_t *out_index)
{
    uint32_t index = 0;
    size_t len = name != NULL ? strlen(name) : 0;

    if (out_index == NULL || len == 0 || len >= HOLOG_OME_ROW_NAME_MAX)
        return hg_error(HOLOG_E_INVAL, "a row has a name of one to three capital letters");
    for (size_t i = 0; i < len; i++) {
        if (name[i] < 'A' || name[i] > 'Z')
            return hg_error(HOLOG_E_INVAL, "\"%s\": a row has a name of capital letters", name);
        index = index * LETTERS + (uint32_t)(name[i] - 'A') + 1;
    }
    *out_index = index - 1;
    return HOLOG_OK;
}

int hg_ome_is_alphanumeric(const char *name)
{
    static const char known[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    return name != NULL && name[0] != 0 && name[strspn(name, known)] == 0;
}
