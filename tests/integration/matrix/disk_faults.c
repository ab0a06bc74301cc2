/* A disk that fails. Loaded before libc (LD_PRELOAD), it counts how often this process has the main
 * database written to the disk for certain, and lets one of those times end as it was told:
 * 1: killed before, 2: killed after, 3: fails once, 4: fails from there on. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static long seen, at;
static int effect;

long disk_syncs(void) { return __atomic_load_n(&seen, __ATOMIC_SEQ_CST); }

void disk_fault(long number, int what)
{
    seen = 0;
    at = number;
    effect = what;
}

static int is_database(int fd)
{
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strstr(path, "mavis.sqlite") != NULL;
}

static int with_fault(int fd, const char *name)
{
    int (*really)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (!is_database(fd))
        return really(fd);
    long number = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    int meets = effect && (number == at || (effect == 4 && number > at));
    if (meets && effect == 1)
        kill(getpid(), SIGKILL);
    if (meets && effect >= 3) {
        errno = EIO;
        return -1;
    }
    int result = really(fd);
    if (meets && effect == 2)
        kill(getpid(), SIGKILL);
    return result;
}

int fsync(int fd) { return with_fault(fd, "fsync"); }

int fdatasync(int fd) { return with_fault(fd, "fdatasync"); }
