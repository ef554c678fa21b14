/*
 * Runs a fuzzer over the files of a folder, for compilers without libFuzzer and for every day: what
 * was once found stays found. An empty folder is a failure. --mutate: each file is changed in one
 * place, too, in every place.
 */
#include "check.h"

#include <dirent.h>
#include <stdbool.h>
#include <sys/stat.h>

/* More than a codec's request or a value's limit, so that those can be passed. */
#define FILE_MAX (1 << 20)
/* Longer ones are about length: what their octets are matters to nothing. */
#define PROTOCOL_MESSAGE_MAX 1000

/* Of a message that is longer, only the beginning is changed. */
#define MUTATED_MAX 120

/* Each octet in turn becomes each of these, has each of its bits turned, or is missing. */
static void replay_mutations(const uint8_t *data, size_t size)
{
    static const char octets[] = "\0\377 ,:09-+%\n\rgG.@";
    for (size_t at = 0; at < size && at < MUTATED_MAX; at++) {
        for (size_t i = 0; i < sizeof octets - 1 + 8; i++) {
            uint8_t *copy = (uint8_t *)exact_copy((const char *)data, size);
            copy[at] = i < 8 ? copy[at] ^ (uint8_t)(1u << i) : (uint8_t)octets[i - 8];
            LLVMFuzzerTestOneInput(copy, size);
            free(copy);
        }
        uint8_t *shorter = (uint8_t *)exact_copy((const char *)data, size - 1);
        memcpy(shorter + at, data + at + 1, size - 1 - at);
        LLVMFuzzerTestOneInput(shorter, size - 1);
        free(shorter);
    }
}

static void replay_file(const char *path, bool mutate)
{
    FILE *f = fopen(path, "rb");
    char *data = malloc(FILE_MAX);
    CHECK(f != NULL && data != NULL);
    size_t size = fread(data, 1, FILE_MAX, f);
    CHECK(!ferror(f) && size < FILE_MAX);
    CHECK(fclose(f) == 0);
    uint8_t *exact = (uint8_t *)exact_copy(data, size);
    free(data);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, size);
    if (mutate && size <= PROTOCOL_MESSAGE_MAX)
        replay_mutations(exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    size_t files = 0;
    bool mutate = argc == 3 && strcmp(argv[2], "--mutate") == 0;
    CHECK(argc == 2 || mutate);
    DIR *folder = opendir(argv[1]);
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[4096];
        struct stat status;
        int n = snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        CHECK(n > 0 && (size_t)n < sizeof path && stat(path, &status) == 0);
        if (S_ISREG(status.st_mode)) {
            replay_file(path, mutate);
            files++;
        }
    }
    closedir(folder);
    printf("%zu files\n", files);
    return files > 0 ? 0 : 1;
}
