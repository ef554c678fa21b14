#include "lookup/dberror.h"

#include <errmsg.h>
#include <mysqld_error.h>

enum dberror_kind dberror_kind(unsigned number)
{
    /* What Connector/C itself says is a connection in an unknown state. */
    if ((number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) ||
        (number >= CER_MIN_ERROR && number <= CER_MAX_ERROR))
        return DBERROR_CONNECTION;

    switch (number) {
    case 0: /* a failure without a number: nothing is known about the connection */
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_ABORTING_CONNECTION:
    case ER_NEW_ABORTING_CONNECTION:
    case ER_NET_PACKET_TOO_LARGE:
    case ER_NET_READ_ERROR_FROM_PIPE:
    case ER_NET_FCNTL_ERROR:
    case ER_NET_PACKETS_OUT_OF_ORDER:
    case ER_NET_UNCOMPRESS_ERROR:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case ER_UNKNOWN_COM_ERROR: /* a Galera node that is not ready says so */
    case ER_CONNECTION_KILLED:
        return DBERROR_CONNECTION;

    case ER_MAX_PREPARED_STMT_COUNT_REACHED:
    case ER_PS_MANY_PARAM:
        return DBERROR_STATEMENTS;

    case ER_UNKNOWN_STMT_HANDLER:
    case ER_NEED_REPREPARE:
        return DBERROR_REPREPARE;

    case ER_NO_SUCH_TABLE:
    case ER_BAD_TABLE_ERROR:
    case ER_BAD_FIELD_ERROR:
    case ER_BAD_DB_ERROR:
    case ER_NO_DB_ERROR:
    case ER_PARSE_ERROR:
    case ER_VIEW_INVALID:
    case ER_SP_DOES_NOT_EXIST:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_ERROR:
    case ER_WRONG_NUMBER_OF_COLUMNS_IN_SELECT:
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_LOCK_DEADLOCK:
    case ER_QUERY_INTERRUPTED:
    case ER_STATEMENT_TIMEOUT:
    case ER_USER_LIMIT_REACHED:
    case ER_PROCACCESS_DENIED_ERROR:
    case ER_NO_SUCH_USER: /* the definer of a view has gone */
        return DBERROR_QUERY;

    case ER_CANT_OPEN_FILE:
    case ER_NOT_KEYFILE:
    case ER_TABLESPACE_DISCARDED:
    case ER_CRASHED_ON_USAGE:
    case ER_CRASHED_ON_REPAIR:
    case ER_NO_SUCH_TABLE_IN_ENGINE:
    case ER_ERROR_ON_READ:
    case ER_GET_ERRNO:
    case ER_DISK_FULL:
    case ER_OUTOFMEMORY:
    case ER_OUT_OF_RESOURCES:
        return DBERROR_HOST;

    default:
        return DBERROR_DATA;
    }
}

bool dberror_is_passing(unsigned number)
{
    switch (dberror_kind(number)) {
    case DBERROR_CONNECTION:
    case DBERROR_STATEMENTS:
    case DBERROR_REPREPARE:
    case DBERROR_HOST:
        return number != ER_PS_MANY_PARAM;
    case DBERROR_QUERY:
    case DBERROR_DATA:
        break;
    }
    return number == ER_LOCK_WAIT_TIMEOUT || number == ER_LOCK_DEADLOCK ||
           number == ER_QUERY_INTERRUPTED || number == ER_STATEMENT_TIMEOUT;
}
