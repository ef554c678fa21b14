/*
 * Runs a fuzzer over the files of a folder, for compilers without libFuzzer and for every day: what
 * was once found stays found. An empty folder is a failure.
 */
#include "check.h"

#include <dirent.h>
#include <sys/stat.h>

/* More than a codec's request or a value's limit, so that those can be passed. */
#define FILE_MAX (1 << 20)

static void replay_file(const char *path)
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
    free(exact);
}

int main(int argc, char **argv)
{
    size_t files = 0;
    CHECK(argc == 2);
    DIR *folder = opendir(argv[1]);
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[4096];
        struct stat status;
        int n = snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        CHECK(n > 0 && (size_t)n < sizeof path && stat(path, &status) == 0);
        if (S_ISREG(status.st_mode)) {
            replay_file(path);
            files++;
        }
    }
    closedir(folder);
    printf("%zu files\n", files);
    return files > 0 ? 0 : 1;
}
