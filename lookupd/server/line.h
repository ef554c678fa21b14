/*
 * The line between the parent and a child: messages with descriptors in one direction or both, and
 * an end that each sees when the other has gone.
 */
#ifndef LOOKUPD_LINE_H
#define LOOKUPD_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Descriptors that one message can carry (the kernel's SCM_MAX_FD is 253). */
#define LINE_DESCRIPTORS_MAX 128

enum line_kind {
    LINE_SNAPSHOT = 1, /* a descriptor: a complete copy, sealed */
    LINE_RELOAD        /* descriptors: the configuration, then its listening sockets */
};

struct line_message {
    enum line_kind kind;
    size_t count;
    int descriptors[LINE_DESCRIPTORS_MAX]; /* the receiver's, closed on exec */
};

enum line_status {
    LINE_GOT,
    LINE_NOTHING, /* nothing has come yet */
    LINE_SPOILED, /* a message of this kind came, but this process had no room for descriptors */
    LINE_END      /* the other side has gone */
};

/* Both ends, closed on exec, non-blocking. False with errno. */
bool line_open(int ends[2]);

/*
 * Sends a message; the descriptors stay the caller's. False with errno: EAGAIN when the other side
 * has not read for a long time.
 */
bool line_send(int line, const struct line_message *message);

/* Receives one. Only after LINE_GOT does message hold descriptors. */
enum line_status line_receive(int line, struct line_message *message);

/* Closes the descriptors of a received message that nobody took (-1: taken). */
void line_discard(struct line_message *message);

#endif
