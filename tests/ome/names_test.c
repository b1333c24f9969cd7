/*
 * Names of rows.
 */
#include <string.h>

#include "omekit.h"

Test(names, a_plate_of_1536_wells_has_rows_a_to_af)
{
    char name[HOLOG_OME_ROW_NAME_MAX];

    OK(holog_ome_row_name(0, name));
    cr_assert_str_eq(name, "A");
    OK(holog_ome_row_name(25, name));
    cr_assert_str_eq(name, "Z");
    OK(holog_ome_row_name(26, name));
    cr_assert_str_eq(name, "AA");
    OK(holog_ome_row_name(31, name));
    cr_assert_str_eq(name, "AF");
    OK(holog_ome_row_name(701, name));
    cr_assert_str_eq(name, "ZZ");
    OK(holog_ome_row_name(702, name));
    cr_assert_str_eq(name, "AAA");
}

Test(names, every_name_leads_back_and_no_two_are_the_same)
{
    char last[HOLOG_OME_ROW_NAME_MAX] = "";
    char name[HOLOG_OME_ROW_NAME_MAX];
    uint32_t index = 0;

    for (uint32_t i = 0; i <= 18277; i++) {
        OK(holog_ome_row_name(i, name));
        OK(holog_ome_row_index(name, &index));
        cr_assert_eq(index, i, "%s is %u, not %u", name, index, i);
        cr_assert(strlen(name) > strlen(last) || strcmp(name, last) > 0, "%s after %s", name, last);
        memcpy(last, name, sizeof last);
    }
    FAILS(HOLOG_E_RANGE, holog_ome_row_name(18278, name), "18278");
}

Test(names, other_names_are_refused)
{
    static const char *const bad[] = { "", "a", "A1", "AAAA", "A ", "\xc3\x84" };
    uint32_t index = 7;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        FAILS(HOLOG_E_INVAL, holog_ome_row_index(bad[i], &index), "letters");
    cr_assert_eq(index, 7);
}
