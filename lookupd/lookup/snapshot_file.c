#include "lookup/snapshot_file.h"

#include "common/memfile.h"
#include "common/whole.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK       65536
#define DIGEST_SIZE 32
#define CDB_HEADER  2048 /* the smallest cdb */

static const char magic[8] = "lookupd\n";

/* The last octets of the file. Numbers are little-endian. */
struct trailer {
    char magic[8];
    uint32_t version;
    uint32_t reserved;                 /* 0 */
    uint64_t taken;                    /* nanoseconds since 1970 */
    uint64_t size;                     /* of the whole file */
    unsigned char digest[DIGEST_SIZE]; /* SHA-256 of all that stands before it */
};

_Static_assert(sizeof(struct trailer) == 64, "no holes in what is written");
_Static_assert(sizeof(struct snapshot_map_record) == 48, "no holes in what is written");

size_t snapshot_key(const struct map *map, const char *row, size_t row_len,
                    char key[SNAPSHOT_KEY_MAX])
{
    size_t name_len = strlen(map->name);
    if (name_len > SNAPSHOT_NAME_MAX || row_len > CANDIDATE_LEN_MAX)
        return 0;
    memcpy(key, map->name, name_len + 1);
    if (row_len > 0)
        memcpy(key + name_len + 1, row, row_len);
    return name_len + 1 + row_len;
}

static bool failed(struct snapshot_error *error, const char *what)
{
    snprintf(error->text, sizeof error->text, "%.200s: %s", what, strerror(errno));
    return false;
}

static bool refused(struct snapshot_error *error, const char *text)
{
    snprintf(error->text, sizeof error->text, "%s", text);
    return false;
}

/* ---- octets ---- */

int snapshot_memory(void)
{
    return memfile_new("lookupd-snapshot");
}

static bool seal(int fd)
{
    /* Not F_SEAL_WRITE: before Linux 6.7 it forbids shared mappings for reading too, when the
     * descriptor is one that could write, and cdb_init() makes such. */
    return fcntl(fd, F_ADD_SEALS,
                 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0;
}

/* Reads size octets at a place. False with errno; 0 when the file ends before. */
static bool read_all(int fd, void *octets, size_t size, off_t at)
{
    ssize_t got = whole_read(fd, octets, size, at);
    if (got >= 0 && (size_t)got < size)
        errno = 0;
    return got == (ssize_t)size;
}

/*
 * The digest of the first size octets, which are also written to another file unless that is -1.
 * False with errno; 0 when the file is shorter.
 */
static bool digest_and_copy(int from, int to, uint64_t size, unsigned char digest[DIGEST_SIZE])
{
    static char chunk[CHUNK];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    if (!good)
        errno = ENOMEM;
    for (uint64_t at = 0; good && at < size;) {
        size_t part = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        good = read_all(from, chunk, part, (off_t)at) && (to < 0 || whole_write(to, chunk, part));
        if (good && EVP_DigestUpdate(context, chunk, part) != 1) {
            errno = ENOMEM;
            good = false;
        }
        at += part;
    }
    if (good && EVP_DigestFinal_ex(context, digest, NULL) != 1) {
        errno = ENOMEM;
        good = false;
    }
    EVP_MD_CTX_free(context);
    return good;
}

/* ---- the trailer ---- */

bool snapshot_seal(int fd, int64_t taken, struct snapshot_error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return failed(error, "cannot end the copy");
    uint64_t size = (uint64_t)status.st_size + sizeof(struct trailer);
    if (size > SNAPSHOT_SIZE_MAX)
        return refused(error, "the copy would be larger than 4 GB");
    struct trailer trailer = {.version = htole32(SNAPSHOT_VERSION),
                              .taken = htole64((uint64_t)taken),
                              .size = htole64(size)};
    memcpy(trailer.magic, magic, sizeof magic);
    if (lseek(fd, 0, SEEK_END) < 0 ||
        !whole_write(fd, &trailer, offsetof(struct trailer, digest)) ||
        !digest_and_copy(fd, -1, size - DIGEST_SIZE, trailer.digest) ||
        !whole_write(fd, trailer.digest, DIGEST_SIZE) || !seal(fd))
        return failed(error, "cannot end the copy");
    return true;
}

/* Reads and looks at the trailer, but for the digest, of a file of this size. */
static bool read_trailer(int fd, uint64_t size, struct trailer *trailer,
                         struct snapshot_error *error)
{
    if (size < CDB_HEADER + sizeof *trailer || size > SNAPSHOT_SIZE_MAX)
        return refused(error, "is no snapshot, or is cut");
    if (!read_all(fd, trailer, sizeof *trailer, (off_t)(size - sizeof *trailer)))
        return failed(error, "cannot be read");
    if (memcmp(trailer->magic, magic, sizeof magic) != 0)
        return refused(error, "is no snapshot, or is cut");
    uint32_t version = le32toh(trailer->version);
    if (version != SNAPSHOT_VERSION) {
        snprintf(error->text, sizeof error->text,
                 "has version %u of the format, and this lookupd knows version %d", version,
                 SNAPSHOT_VERSION);
        return false;
    }
    if (le64toh(trailer->size) != size || le64toh(trailer->taken) > INT64_MAX)
        return refused(error, "is damaged");
    return true;
}

int64_t snapshot_taken_of(int fd)
{
    struct stat status;
    struct trailer trailer;
    struct snapshot_error error;
    if (fstat(fd, &status) != 0 || !read_trailer(fd, (uint64_t)status.st_size, &trailer, &error))
        return -1;
    return (int64_t)le64toh(trailer.taken);
}

/* ---- files ---- */

static bool path_of(const char *directory, const char *name, char path[PATH_MAX],
                    struct snapshot_error *error)
{
    if (snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return failed(error, directory);
}

/* Copies an open file, of which nothing is known, into memory. */
static bool load(int file, int memory, struct snapshot_error *error)
{
    struct stat status;
    struct trailer trailer;
    unsigned char digest[DIGEST_SIZE];
    if (fstat(file, &status) != 0)
        return failed(error, "cannot be read");
    if (!S_ISREG(status.st_mode))
        return refused(error, "is no regular file");
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return refused(error, "belongs to somebody else");
    uint64_t size = (uint64_t)status.st_size;
    /* The first look is at the file, so that gigabytes of something else are not copied. */
    if (!read_trailer(file, size, &trailer, error))
        return false;
    if (!digest_and_copy(file, memory, size - DIGEST_SIZE, digest))
        return errno == 0 ? refused(error, "is cut") : failed(error, "cannot be read");
    if (!whole_write(memory, trailer.digest, DIGEST_SIZE))
        return failed(error, "cannot be kept in memory");
    /* The second at the copy: the file may have changed meanwhile. */
    if (!read_trailer(memory, size, &trailer, error))
        return false;
    if (memcmp(digest, trailer.digest, DIGEST_SIZE) != 0)
        return refused(error, "is damaged");
    return seal(memory) || failed(error, "cannot be sealed");
}

int snapshot_load(const char *directory, struct snapshot_error *error)
{
    char path[PATH_MAX];
    if (!path_of(directory, SNAPSHOT_FILE, path, error))
        return -1;
    /* Not blocking: it may have become a pipe. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (file < 0) {
        if (errno == ENOENT)
            error->text[0] = '\0';
        else
            failed(error, "cannot be opened");
        return -1;
    }
    int memory = snapshot_memory();
    bool good = memory >= 0 ? load(file, memory, error) : failed(error, "cannot be kept in memory");
    close(file);
    if (good)
        return memory;
    if (memory >= 0)
        close(memory);
    return -1;
}

static bool write_file(int fd, int file, struct snapshot_error *error)
{
    struct stat status;
    unsigned char digest[DIGEST_SIZE];
    if (fstat(fd, &status) != 0 || !digest_and_copy(fd, file, (uint64_t)status.st_size, digest) ||
        fsync(file) != 0)
        return failed(error, "cannot be written");
    return true;
}

/* The name is safe only when the folder is. */
static bool sync_folder(const char *directory)
{
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = folder >= 0 && fsync(folder) == 0;
    if (folder >= 0)
        close(folder);
    return good;
}

/* The folder may have been made anew since, or something been mounted there. */
static bool is_still(const char *directory, int lock)
{
    struct stat ours;
    struct stat there;
    return fstat(lock, &ours) == 0 && stat(directory, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

bool snapshot_lock(const char *directory, int *lock, struct snapshot_error *error)
{
    if (*lock >= 0 && is_still(directory, *lock))
        return true;
    if (*lock >= 0)
        close(*lock);
    *lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return failed(error, "the folder cannot be opened");
    /* A file system that knows no locks is no reason to keep no snapshot. */
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return true;
    close(*lock);
    *lock = -1;
    return refused(error, "another lookupd keeps its snapshot there");
}

bool snapshot_save(const char *directory, int fd, struct snapshot_error *error)
{
    char path[PATH_MAX];
    char partial[PATH_MAX];
    if (!path_of(directory, SNAPSHOT_FILE, path, error) ||
        !path_of(directory, SNAPSHOT_PARTIAL, partial, error))
        return false;
    if (unlink(partial) != 0 && errno != ENOENT)
        return failed(error, partial);
    int file = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (file < 0)
        return failed(error, partial);
    bool good = write_file(fd, file, error);
    if (close(file) != 0 && good)
        good = failed(error, "cannot be written");
    if (good && rename(partial, path) != 0)
        good = failed(error, "cannot be put in place");
    if (good)
        return sync_folder(directory) || failed(error, "cannot be put in place for good");
    unlink(partial);
    return false;
}

bool snapshot_check_folder(const char *directory, struct snapshot_error *error)
{
    struct stat status;
    if (stat(directory, &status) != 0)
        return failed(error, directory);
    if (!S_ISDIR(status.st_mode))
        errno = ENOTDIR;
    else if (status.st_mode & S_IWOTH) {
        /* Whoever can put a file there could say where mail goes. */
        snprintf(error->text, sizeof error->text, "%.200s: everybody may write there (mode %04o)",
                 directory, status.st_mode & 07777U);
        return false;
    } else if (access(directory, R_OK | W_OK | X_OK) == 0)
        return true;
    return failed(error, directory);
}
