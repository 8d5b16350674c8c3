/* A slow disk for the audit file alone, as a library for LD_PRELOAD: 2 MiB/s, and 300 ms for each
   sync. See benches/first_sight.sh. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BYTES_PER_S 2097152.0
#define SYNC_S 0.3

static int is_audit(int fd) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, "audit.jsonl") != NULL;
}

static void wait_for(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    if (is_audit(fd)) wait_for(SYNC_S);
    return real(fd);
}

int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    if (is_audit(fd)) wait_for(SYNC_S);
    return real(fd);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (length > 4096 && is_audit(fd)) wait_for(length / BYTES_PER_S);
    return real(fd, bytes, length);
}
