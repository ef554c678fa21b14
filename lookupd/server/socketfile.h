/*
 * The file that a unix socket is bound to. Its name can mean another file at any time, where others
 * may write to the folder: whoever gives a file away by its name could be made to give away theirs.
 */
#ifndef LOOKUPD_SOCKETFILE_H
#define LOOKUPD_SOCKETFILE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * A descriptor (O_PATH, closed on exec) of the file that socket was bound to under path. -1 with
 * errno; ESTALE: the name means something else by now.
 */
int socketfile_open(int socket, const char *path);

/*
 * The same where the kernel does not let us ask for it (that takes CAP_NET_ADMIN): what stands
 * under the name must be a socket, our own, with this name only.
 */
int socketfile_open_by_name(const char *path);

/* Owner and group (-1: as it is) and mode of what such a descriptor stands for. False with errno.
 */
bool socketfile_give(int file, uid_t uid, gid_t gid);
bool socketfile_set_mode(int file, mode_t mode);

#endif
