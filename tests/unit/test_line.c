#include "server/line.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];

static void open_line(void)
{
    cr_assert(line_open(ends));
}

TestSuite(line, .init = open_line);

Test(line, nothing_until_something_is_sent)
{
    struct line_message message;
    cr_assert_eq(line_receive(ends[1], &message), LINE_NOTHING);
}

Test(line, descriptors_arrive_as_ones_own)
{
    int pipe_ends[2];
    cr_assert_eq(pipe(pipe_ends), 0);
    struct line_message message = {
        .kind = LINE_SNAPSHOT, .count = 1, .descriptors = {pipe_ends[1]}};
    cr_assert(line_send(ends[0], &message));
    message = (struct line_message){.kind = LINE_RELOAD};
    cr_assert(line_send(ends[0], &message));
    close(pipe_ends[1]);

    struct line_message got;
    cr_assert_eq(line_receive(ends[1], &got), LINE_GOT);
    cr_assert_eq(got.kind, LINE_SNAPSHOT);
    cr_assert_eq(got.count, 1);
    cr_assert(fcntl(got.descriptors[0], F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(write(got.descriptors[0], "x", 1), 1);
    char octet;
    cr_assert_eq(read(pipe_ends[0], &octet, 1), 1);
    line_discard(&got);
    cr_assert_eq(read(pipe_ends[0], &octet, 1), 0, "discarding closes what came");

    cr_assert_eq(line_receive(ends[1], &got), LINE_GOT);
    cr_assert_eq(got.kind, LINE_RELOAD);
    cr_assert_eq(got.count, 0);
}

Test(line, as_many_descriptors_as_promised_and_no_more)
{
    struct line_message message = {.kind = LINE_RELOAD, .count = LINE_DESCRIPTORS_MAX};
    for (size_t i = 0; i < message.count; i++)
        message.descriptors[i] = ends[0];
    cr_assert(line_send(ends[0], &message));
    struct line_message got;
    cr_assert_eq(line_receive(ends[1], &got), LINE_GOT);
    cr_assert_eq(got.count, LINE_DESCRIPTORS_MAX);
    line_discard(&got);
    message.count++;
    cr_assert_not(line_send(ends[0], &message));
    cr_assert_eq(errno, EINVAL);
}

Test(line, no_room_for_descriptors_is_no_end)
{
    struct line_message message = {.kind = LINE_SNAPSHOT, .count = 1, .descriptors = {0}};
    cr_assert(line_send(ends[0], &message));
    cr_assert(line_send(ends[0], &message));
    struct rlimit before;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct line_message got;
    enum line_status status = line_receive(ends[1], &got);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    cr_assert_eq(status, LINE_SPOILED);
    cr_assert_eq(got.kind, LINE_SNAPSHOT);
    cr_assert_eq(line_receive(ends[1], &got), LINE_GOT, "the next one is whole");
}

Test(line, end_of_the_other_side)
{
    struct line_message message = {.kind = LINE_SNAPSHOT};
    cr_assert(line_send(ends[0], &message));
    close(ends[0]);
    struct line_message got;
    cr_assert_eq(line_receive(ends[1], &got), LINE_GOT, "what was sent before is not lost");
    cr_assert_eq(line_receive(ends[1], &got), LINE_END);
    cr_assert_not(line_send(ends[1], &message));
}

Test(line, a_side_that_does_not_read_does_not_block)
{
    struct line_message message = {.kind = LINE_SNAPSHOT};
    int sent = 0;
    while (sent < 1000000 && line_send(ends[0], &message))
        sent++;
    cr_assert_eq(errno, EAGAIN);
    cr_assert_gt(sent, 0);
}
