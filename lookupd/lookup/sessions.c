#include "lookup/sessions.h"

#include "lookup/hosts.h"

#include <stdlib.h>

bool sessions_init(struct sessions *sessions, size_t most)
{
    *sessions = (struct sessions){.list = calloc(most, sizeof *sessions->list), .most = most};
    return sessions->list != NULL;
}

void sessions_clear(struct sessions *sessions)
{
    while (sessions->count > 0)
        sessions_remove(sessions, sessions->list[0].session);
    free(sessions->list);
    sessions->list = NULL;
}

static size_t find(const struct sessions *sessions, const struct session *session)
{
    size_t i = 0;
    while (i < sessions->count && sessions->list[i].session != session)
        i++;
    return i;
}

void sessions_add(struct sessions *sessions, struct session *session, size_t host)
{
    sessions->list[sessions->count++] = (struct session_entry){.session = session, .host = host};
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
    size_t i = find(sessions, session);
    if (i == sessions->count)
        return;
    sessions->list[i] = sessions->list[--sessions->count];
    session_close(session);
}

size_t sessions_host(const struct sessions *sessions, const struct session *session)
{
    size_t i = find(sessions, session);
    return i < sessions->count ? sessions->list[i].host : HOSTS_NONE;
}

size_t sessions_count_on(const struct sessions *sessions, size_t host)
{
    size_t count = 0;
    for (size_t i = 0; i < sessions->count; i++)
        count += sessions->list[i].host == host;
    return count;
}
