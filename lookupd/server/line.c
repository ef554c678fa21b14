#include "server/line.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ancillary data for all descriptors, aligned as the kernel wants it. */
union control {
    struct cmsghdr header;
    char octets[CMSG_SPACE(LINE_DESCRIPTORS_MAX * sizeof(int))];
};

bool line_open(int ends[2])
{
    /* Packets keep messages apart, and the end of the other side is seen as an empty one. */
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0;
}

bool line_send(int line, const struct line_message *message)
{
    if (message->count > LINE_DESCRIPTORS_MAX) {
        errno = EINVAL;
        return false;
    }
    uint32_t kind = message->kind;
    struct iovec octets = {.iov_base = &kind, .iov_len = sizeof kind};
    struct msghdr packet = {.msg_iov = &octets, .msg_iovlen = 1};
    union control control;
    if (message->count > 0) {
        size_t size = message->count * sizeof message->descriptors[0];
        memset(&control, 0, sizeof control);
        packet.msg_control = &control;
        packet.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), message->descriptors, size);
    }
    ssize_t sent;
    do
        sent = sendmsg(line, &packet, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof kind;
}

static void take_descriptors(struct msghdr *packet, struct line_message *message)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(packet); header;
         header = CMSG_NXTHDR(packet, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t size = header->cmsg_len - CMSG_LEN(0);
        message->count = size / sizeof(int);
        memcpy(message->descriptors, CMSG_DATA(header), message->count * sizeof(int));
    }
}

enum line_status line_receive(int line, struct line_message *message)
{
    uint32_t kind = 0;
    union control control;
    struct iovec octets = {.iov_base = &kind, .iov_len = sizeof kind};
    struct msghdr packet = {.msg_iov = &octets,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    ssize_t got;
    do
        got = recvmsg(line, &packet, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? LINE_NOTHING : LINE_END;
    message->count = 0;
    if (got == 0)
        return LINE_END;
    take_descriptors(&packet, message);
    message->kind = (enum line_kind)kind;
    if (got != (ssize_t)sizeof kind || (packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        line_discard(message);
        return LINE_SPOILED;
    }
    return LINE_GOT;
}

void line_discard(struct line_message *message)
{
    for (size_t i = 0; i < message->count; i++)
        if (message->descriptors[i] >= 0)
            close(message->descriptors[i]);
    message->count = 0;
}
