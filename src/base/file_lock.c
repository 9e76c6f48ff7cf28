/* Lock files: made, read, judged, taken over, kept alive. */
#include "base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/status.h"

#define HEAD "lock of medtok\n"
enum { TRIES = 5 };

/* Who holds a lock, as its file says. `space`: boot and namespace in which the process number means something. `began`: when
 * the process began, in ticks since boot, which tells it from a later process of the same number. */
struct holder {
    char host[128], space[128], job[64], since[32];
    long pid, restart; /* restart: how often SLURM has queued the job again */
    unsigned long long began;
};

/* ---- who we are ---- */
/* State ('Z': ended, nobody has asked for its exit code yet) and beginning of a process; 0: /proc does not tell. */
static int look_at(long pid, char *state, unsigned long long *began) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    const char *at = strrchr(text, ')'); /* behind the name, which may hold anything */
    if (!at || sscanf(at, ") %c", state) != 1) return 0;
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' '); /* the 22nd is the beginning */
    return at && sscanf(at, " %llu", began) == 1;
}

/* Whether the holder, a process of this host, is still there. Other users' processes may be hidden: then it is. */
static int is_there(const struct holder *h) {
    char state;
    unsigned long long began;
    if (kill((pid_t)h->pid, 0) && errno == ESRCH) return 0;
    return !look_at(h->pid, &state, &began) || (state != 'Z' && state != 'X' && began == h->began);
}

static void read_line(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "r");
    text[0] = 0;
    if (file && fgets(text, (int)size, file)) text[strcspn(text, "\n")] = 0;
    if (file) fclose(file);
}

static void describe_self(struct holder *self) {
    const char *job = getenv("SLURM_JOB_ID"), *restart = getenv("SLURM_RESTART_COUNT");
    time_t now = time(NULL);
    struct tm tm;
    char boot[64], names[64] = "", state;
    *self = (struct holder){.pid = (long)getpid(), .restart = restart ? strtol(restart, NULL, 10) : 0};
    look_at(self->pid, &state, &self->began);
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    if (readlink("/proc/self/ns/pid", names, sizeof names - 1) < 0) names[0] = 0;
    snprintf(self->space, sizeof self->space, "%s/%s", boot, names);
    gethostname(self->host, sizeof self->host - 1);
    snprintf(self->job, sizeof self->job, "%s", job && job[0] ? job : "-");
    strftime(self->since, sizeof self->since, "%Y-%m-%d_%H:%M:%S", localtime_r(&now, &tm));
}

static int print_holder(const struct holder *h, char text[LOCK_TEXT_BYTES]) {
    return snprintf(text, LOCK_TEXT_BYTES,
                    HEAD "host %s\nspace %s\njob %s\nrestart %ld\npid %ld\nbegan %llu\nsince %s\n", h->host, h->space,
                    h->job, h->restart, h->pid, h->began, h->since);
}

/* ---- the file ---- */
enum outcome { TAKEN, HELD, CANNOT };

/* The text is written aside and linked to its path, so that a lock always says whose it is; where there are no links, it is
 * written there. */
static enum outcome make(const char *path, char text[LOCK_TEXT_BYTES]) {
    struct holder self;
    char aside[PATH_MAX + 64];
    describe_self(&self);
    snprintf(aside, sizeof aside, "%s-%ld", path, (long)getpid());
    int file = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), n = print_holder(&self, text);
    if (file < 0) return CANNOT;
    int written = write(file, text, (size_t)n) == n;
    close(file);
    enum outcome outcome = !written ? CANNOT : link(aside, path) == 0 ? TAKEN : errno == EEXIST ? HELD : CANNOT;
    unlink(aside);
    if (!written || outcome != CANNOT) return outcome; /* a full disk: writing will tell */
    file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0) return errno == EEXIST ? HELD : CANNOT;
    written = write(file, text, (size_t)n) == n;
    close(file);
    return written ? TAKEN : CANNOT;
}

/* Its text, and who holds it. 0: gone, or not (yet) readable as a lock. */
static int read_lock(const char *path, char text[LOCK_TEXT_BYTES], struct holder *h) {
    *h = (struct holder){0};
    text[0] = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    if (file < 0) return 0;
    ssize_t n = read(file, text, LOCK_TEXT_BYTES - 1);
    close(file);
    text[n > 0 ? n : 0] = 0;
    return sscanf(text, HEAD "host %127s\nspace %127s\njob %63s\nrestart %ld\npid %ld\nbegan %llu\nsince %31s", h->host,
                  h->space, h->job, &h->restart, &h->pid, &h->began, h->since) == 7;
}

/* Seconds since the last sign of life, by the clock of the file system; -1: the lock is gone. */
static double silence(const char *path) {
    char probe[PATH_MAX + 64];
    struct stat now, then;
    snprintf(probe, sizeof probe, "%s-%ld", path, (long)getpid());
    int file = open(probe, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int bad = file < 0 || write(file, "\n", 1) != 1 || fstat(file, &now);
    if (file >= 0) close(file);
    unlink(probe);
    if (stat(path, &then)) return -1;
    double seconds = difftime(bad ? time(NULL) : now.st_mtime, then.st_mtime);
    return seconds > 0 ? seconds : 0; /* clocks are set back */
}

static int is_stale(const struct holder *h, int readable, double silent) {
    struct holder self;
    describe_self(&self);
    if (silent > LOCK_STALE) return 1;
    if (!readable) return 0;
    if (strcmp(h->host, self.host) == 0 && strcmp(h->space, self.space) == 0)
        return h->pid == self.pid ? h->began != self.began : !is_there(h);
    return strcmp(h->job, "-") != 0 && strcmp(h->job, self.job) == 0 && h->restart < self.restart;
}

/* Takes a stale lock away, unless another did it meanwhile and holds it now: `text` is what was judged. */
static void take_away(const char *path, const char *text) {
    char aside[PATH_MAX + 64], found[LOCK_TEXT_BYTES];
    struct holder h;
    snprintf(aside, sizeof aside, "%s-stale-%ld", path, (long)getpid());
    if (rename(path, aside)) return;
    read_lock(aside, found, &h);
    if (strcmp(found, text) != 0 && link(aside, path) != 0) log_warn("%s was put aside as %s", path, aside);
    unlink(aside);
}

static int is_held(const char *output, const char *path, const struct holder *h, double silent) {
    char job[80] = "";
    if (strcmp(h->job, "-") != 0) snprintf(job, sizeof job, " (job %s)", h->job);
    return status_set(
        STATUS_FAILED,
        "%s is being written by process %ld%s on %s since %.10s %.8s (last sign of life %.0f s ago); wait "
        "for it, or name another file. If it is no more, remove %s",
        output, h->pid, job, h->host, h->since, strlen(h->since) > 11 ? h->since + 11 : "", silent, path);
}

/* ---- signs of life ---- */
static struct {
    pthread_mutex_t guard;
    pthread_cond_t changed; /* made when the thread begins: it waits by the clock that is never set back */
    pthread_t thread;
    int running;
    struct file_lock *first; /* of all that are held */
} held = {.guard = PTHREAD_MUTEX_INITIALIZER};

/* What became of a lock that was taken. One that cannot be read just now is taken to be ours. */
enum fate { OURS, REMOVED, ANOTHERS };

static enum fate fate_of(const struct file_lock *lock) {
    char text[LOCK_TEXT_BYTES];
    struct holder h;
    if (access(lock->path, F_OK)) return errno == ENOENT ? REMOVED : OURS;
    return read_lock(lock->path, text, &h) && strcmp(text, lock->text) != 0 ? ANOTHERS : OURS;
}

static void *beat(void *unused) {
    (void)unused;
    pthread_mutex_lock(&held.guard);
    while (held.running) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOCK_BEAT;
        pthread_cond_timedwait(&held.changed, &held.guard, &until);
        for (const struct file_lock *l = held.first; l; l = l->next)
            if (fate_of(l) == OURS) utimensat(AT_FDCWD, l->path, NULL, 0);
    }
    pthread_mutex_unlock(&held.guard);
    return NULL;
}

static void begin_beat(struct file_lock *lock) {
    pthread_mutex_lock(&held.guard);
    lock->next = held.first;
    held.first = lock;
    if (!held.running) {
        pthread_condattr_t monotonic;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&held.changed, &monotonic);
        pthread_condattr_destroy(&monotonic);
        held.running = 1;
        if (pthread_create(&held.thread, NULL, beat, NULL)) held.running = 0;
    }
    pthread_mutex_unlock(&held.guard);
}

static void end_beat(const struct file_lock *lock) {
    int last = 0;
    pthread_mutex_lock(&held.guard);
    for (struct file_lock **at = &held.first; *at;)
        if (*at == lock)
            *at = lock->next;
        else
            at = &(*at)->next;
    if (held.running && !held.first) {
        held.running = 0;
        last = 1;
        pthread_cond_signal(&held.changed);
    }
    pthread_mutex_unlock(&held.guard);
    if (!last) return;
    pthread_join(held.thread, NULL);
    pthread_cond_destroy(&held.changed);
}

int file_lock_check(void) {
    int status = STATUS_OK;
    pthread_mutex_lock(&held.guard);
    for (struct file_lock *l = held.first; l && status == STATUS_OK; l = l->next) {
        enum fate fate = fate_of(l);
        if (fate == REMOVED) { /* by hand: it is ours as long as nobody else has one */
            log_warn("%s was removed while it was in use; it is made again", l->path);
            if (make(l->path, l->text) == HELD) fate = ANOTHERS;
        }
        if (fate == ANOTHERS)
            status =
                status_set(STATUS_FAILED,
                           "%s is no longer this run's: it gave no sign of life for long, and another run took its "
                           "place; nothing more is written",
                           l->path);
    }
    pthread_mutex_unlock(&held.guard);
    return status;
}

/* ---- take and release ---- */
int file_lock_take(struct file_lock *lock, const char *output) {
    char resolved[PATH_MAX], path[PATH_MAX + 16], text[LOCK_TEXT_BYTES];
    struct holder h = {0};
    double silent = 0;
    lock->path[0] = 0;
    TRY(path_resolve(output, resolved));
    TRY(path_make_folder_of(resolved));
    snprintf(path, sizeof path, "%s.lock-medtok", resolved);
    if (strlen(path) >= PATH_MAX) return STATUS_OK;
    for (int attempt = 0; attempt < TRIES; attempt++) {
        enum outcome outcome = make(path, lock->text);
        if (outcome == CANNOT) return STATUS_OK;
        if (outcome == TAKEN) {
            memcpy(lock->path, path, strlen(path) + 1);
            begin_beat(lock);
            return STATUS_OK;
        }
        struct stat info;
        if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
            return status_set(STATUS_FAILED, "%s is in the way: it is no lock of this program; move it", path);
        int readable = read_lock(path, text, &h);
        if ((silent = silence(path)) < 0) continue;
        if (!readable && text[0] && strncmp(text, HEAD, strlen(HEAD)) != 0)
            return status_set(STATUS_FAILED, "%s is in the way: it is no lock of this program; move it", path);
        if (is_stale(&h, readable, silent)) {
            log_info("%s: its holder, process %ld on %s, is no more", path, h.pid, h.host);
            take_away(path, text);
        } else if (readable) {
            return is_held(output, path, &h, silent);
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL); /* it is being written */
        }
    }
    return status_set(STATUS_FAILED, "%s cannot be locked: %s is there and says nothing; remove it if nobody writes",
                      output, path);
}

void file_lock_release(struct file_lock *lock) {
    if (!lock->path[0]) return;
    end_beat(lock);
    if (fate_of(lock) == OURS) unlink(lock->path);
    lock->path[0] = 0;
}
