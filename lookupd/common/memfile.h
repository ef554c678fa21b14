/* Files in memory that are handed to other processes, and sealed before. */
#ifndef LOOKUPD_MEMFILE_H
#define LOOKUPD_MEMFILE_H

/*
 * An empty file in memory that can be sealed, not executable and closed on exec; the name is only
 * for those who look at /proc. -1 with errno. Newer kernels add a seal of their own (F_SEAL_EXEC).
 */
int memfile_new(const char *name);

#endif
