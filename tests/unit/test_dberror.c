/* Error numbers, each with what it must mean. The numbers are those of MariaDB's documentation. */
#include "lookup/dberror.h"

#include <criterion/criterion.h>

static void all(enum dberror_kind kind, const unsigned *numbers)
{
    for (; *numbers; numbers++)
        cr_assert_eq(dberror_kind(*numbers), kind, "error %u is of kind %d", *numbers,
                     dberror_kind(*numbers));
}

Test(dberror, connection_errors)
{
    static const unsigned numbers[] = {2000, 2002, 2003, 2006, 2013, 2014, 2026, 2027, 2055, 1053,
                                       1077, 1152, 1159, 1161, 1184, 1927, 1047, 5014, 0};
    all(DBERROR_CONNECTION, numbers);
    cr_assert_eq(dberror_kind(0), DBERROR_CONNECTION);
}

Test(dberror, faults_of_query_or_schema)
{
    static const unsigned numbers[] = {1146, 1054, 1064, 1142, 1143, 1044, 1045,
                                       1049, 1356, 1205, 1213, 1317, 1969, 0};
    all(DBERROR_QUERY, numbers);
}

Test(dberror, faults_of_a_host)
{
    static const unsigned numbers[] = {1016, 1021, 1024, 1030, 1034, 1037,
                                       1041, 1194, 1195, 1814, 1932, 0};
    all(DBERROR_HOST, numbers);
}

Test(dberror, faults_of_the_data)
{
    static const unsigned numbers[] = {1267, 1270, 1271, 1366, 1292, 1300, 0};
    all(DBERROR_DATA, numbers);
}

Test(dberror, statements)
{
    static const unsigned room[] = {1461, 1390, 0};
    static const unsigned unknown[] = {1243, 1615, 0};
    all(DBERROR_STATEMENTS, room);
    all(DBERROR_REPREPARE, unknown);
}

Test(dberror, what_passes_says_nothing_about_a_statement)
{
    static const unsigned passing[] = {2006, 2013, 1053, 1927, 1047, 1461, 1615,
                                       1021, 1205, 1213, 1317, 1969, 0};
    static const unsigned lasting[] = {1146, 1054, 1064, 1142, 1390, 1267, 1366, 0};
    for (const unsigned *number = passing; *number; number++)
        cr_assert(dberror_is_passing(*number), "error %u", *number);
    for (const unsigned *number = lasting; *number; number++)
        cr_assert_not(dberror_is_passing(*number), "error %u", *number);
}
