/* No job writes over what it reads: each output of each job, from the table of settings, put on each other path of that job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_lock.h"
#include "base/path.h"
#include "base/status.h"
#include "config/schema.h"
#include "outputs.h"
#include "paths.h"
#include "settings.h"

#define JOB_OF(job) JOB_##job,
static const enum job JOBS[] = {JOB_LIST(JOB_OF)};

static char folder[] = "/tmp/medtok-outputs-XXXXXX";

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int enter(void **state) {
    (void)state;
    if (!mkdtemp(folder) || chdir(folder)) return -1;
    write_text("file", "a file of the user's\n");
    return symlink("file", "link") || link("file", "hard") || mkdir("folder", 0777);
}

static int leave(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") || system(command);
}

static void set(struct config *config, const char *key, const char *path) {
    char assignment[256];
    snprintf(assignment, sizeof assignment, "%s=%s", key, path);
    assert_int_equal(config_set(config, assignment), STATUS_OK);
}

/* Every path of the job a name of its own, so that only the two under test can be one. */
static void name_all(struct config *config, enum job job) {
    assert_int_equal(config_defaults(config), STATUS_OK);
    for (int i = 0; i < CONFIG_SCHEMA.n; i++) {
        char path[96];
        snprintf(path, sizeof path, "new-%s", CONFIG_SCHEMA.keys[i].name);
        if (CONFIG_SCHEMA.keys[i].kind && (CONFIG_SCHEMA.keys[i].jobs & job))
            set(config, CONFIG_SCHEMA.keys[i].name, path);
    }
}

static int is_next_version(const struct key *a, const struct key *b) {
    return strcmp(a->name, "files.table") == 0 && strcmp(b->name, "tokenize.append_to") == 0;
}

static void check_one(enum job job, const struct key *output, const char *out_path, const struct key *other,
                      const char *other_path) {
    struct config config;
    name_all(&config, job);
    set(&config, output->name, out_path);
    set(&config, other->name, other_path);
    int status = outputs_check(&config, job);
    if (status != STATUS_USAGE || !strstr(status_message(), output->name))
        fail_msg("job %d: %s=%s and %s=%s: status %d, %s", job, output->name, out_path, other->name, other_path, status,
                 status_message());
    config_free(&config);
}

static void an_output_is_no_other_path_of_its_job(void **state) {
    (void)state;
    int pairs = 0;
    for (int j = 0; j < N_JOBS; j++)
        for (int i = 0; i < CONFIG_SCHEMA.n; i++)
            for (int k = 0; k < CONFIG_SCHEMA.n; k++) {
                const struct key *output = &CONFIG_SCHEMA.keys[i], *other = &CONFIG_SCHEMA.keys[k];
                if (i == k || !(output->writers & JOBS[j]) || !other->kind || !(other->jobs & JOBS[j])) continue;
                if (is_next_version(output, other)) continue;
                check_one(JOBS[j], output, "file", other, "file");
                check_one(JOBS[j], output, "./folder/../file", other, "file");
                check_one(JOBS[j], output, "link", other, "file");
                check_one(JOBS[j], output, "hard", other, "file");
                check_one(JOBS[j], output, "not-there/x.h5", other, "./not-there/x.h5");
                pairs++;
            }
    assert_true(pairs >= 17); /* the cases that were once accepted */
}

/* What can be read as paths of a job must be of the table: a key whose help speaks of a file, without a kind, is forgotten. */
static void every_key_of_files_says_whether_it_is_written(void **state) {
    (void)state;
    int written = 0;
    for (int i = 0; i < CONFIG_SCHEMA.n; i++) {
        if (strncmp(CONFIG_SCHEMA.keys[i].name, "files.", 6) == 0) assert_non_null(CONFIG_SCHEMA.keys[i].kind);
        if (CONFIG_SCHEMA.keys[i].type == KEY_PATH) assert_non_null(CONFIG_SCHEMA.keys[i].kind);
        assert_int_equal(CONFIG_SCHEMA.keys[i].writers & ~CONFIG_SCHEMA.keys[i].jobs, 0);
        written += CONFIG_SCHEMA.keys[i].writers != 0;
    }
    assert_true(written >= 9);
}

/* A folder, in which a job writes files. */
static int is_folder(const struct key *key) {
    static const char *const KINDS[] = {"export", "hugging-face", "arrays", "labels", "hospital", "prefix", "adapter"};
    for (size_t i = 0; key->kind && i < sizeof KINDS / sizeof *KINDS; i++)
        if (strcmp(key->kind, KINDS[i]) == 0) return 1;
    return 0;
}

static void an_output_that_is_something_else_is_refused(void **state) {
    (void)state;
    static const char *const THERE[] = {"file", "link", "/dev/null", "folder"};
    for (int j = 0; j < N_JOBS; j++)
        for (int i = 0; i < CONFIG_SCHEMA.n; i++)
            for (size_t t = 0; t < sizeof THERE / sizeof *THERE; t++) {
                int holds_files = is_folder(&CONFIG_SCHEMA.keys[i]);
                struct config config;
                if (!(CONFIG_SCHEMA.keys[i].writers & JOBS[j]) || (holds_files && strcmp(THERE[t], "folder") == 0))
                    continue;
                name_all(&config, JOBS[j]);
                assert_int_equal(outputs_check(&config, JOBS[j]), STATUS_OK);
                set(&config, CONFIG_SCHEMA.keys[i].name, THERE[t]);
                if (outputs_check(&config, JOBS[j]) != STATUS_USAGE ||
                    !strstr(status_message(), CONFIG_SCHEMA.keys[i].name))
                    fail_msg("%s=%s is accepted: %s", CONFIG_SCHEMA.keys[i].name, THERE[t], status_message());
                config_free(&config);
            }
}

/* A training resumes into its metrics, whatever its learner calls its samples. */
static void metrics_are_known_by_their_first_line(void **state) {
    (void)state;
    static const struct {
        const char *line;
        int status;
    } FILES[] = {{"{\"step\": 1, \"codes\": 1024, \"loss\": 2}\n", STATUS_OK},
                 {"{\"step\": 700, \"timed_events\": 3, \"loss\": 2}\n", STATUS_OK},
                 {"{\"step\": \"one\", \"codes\": 3}\n", STATUS_USAGE},
                 {"{\"step\": 1}\n", STATUS_USAGE}};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        struct config config;
        write_text("m.jsonl", FILES[i].line);
        name_all(&config, JOB_TRAIN);
        set(&config, "files.metrics", "m.jsonl");
        assert_int_equal(outputs_check(&config, JOB_TRAIN), FILES[i].status);
        config_free(&config);
    }
}

static void the_configuration_is_an_input(void **state) {
    (void)state;
    struct config config;
    write_text("c.yaml", "files:\n  metrics: c.yaml\n");
    assert_int_equal(config_defaults(&config), STATUS_OK);
    assert_int_equal(config_read_file(&config, "c.yaml"), STATUS_OK);
    assert_int_equal(outputs_check(&config, JOB_TRAIN), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "--config"));
    config_free(&config);
}

/* A grid writes files for each of its trainings, and beside them: an input that is called so, or leads there, is refused. */
static void files_of_a_grids_trainings_are_outputs(void **state) {
    (void)state;
    static const struct {
        const char *table, *message;
    } CASES[] = {
        {"s.trials/behrt.base.all.seed-1.h5", "files.table and files.scores are the same file"},
        {"./s.trials/mult-ehr.hierarchy.all.seed-0.results.h5", "files.table and files.scores are the same file"},
        {"s.h5", "files.table and files.scores are the same file"},
        {"s.trials/behrt.base.all.seed-1.step-000000040.h5", "make beside files.scores"},
        {"s.trials/mult-ehr.base.all.seed-0.jsonl.lock-medtok", "make beside files.scores"},
        {"s.trials/behrt.base.all.seed-2.h5", NULL},
        {"s.trials/behrt.base.all.h5", NULL}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct config config;
        assert_int_equal(config_defaults(&config), STATUS_OK);
        set(&config, "files.scores", "s.json");
        set(&config, "files.table", CASES[i].table);
        set(&config, "ehr.seeds", "2");
        set(&config, "ehr.grid.models", "[behrt,mult-ehr]");
        set(&config, "ehr.grid.arms", "[base,hierarchy]");
        int status = config_check_paths(&config, JOB_EVALUATE);
        if (!CASES[i].message)
            assert_int_equal(status, STATUS_OK);
        else if (status != STATUS_USAGE || !strstr(status_message(), CASES[i].message))
            fail_msg("files.table=%s: status %d, %s", CASES[i].table, status, status_message());
        config_free(&config);
    }
}

/* ---- where paths lead ---- */
static void links_are_followed_there_or_not(void **state) {
    (void)state;
    char a[PATH_MAX], b[PATH_MAX];
    assert_int_equal(symlink("folder/later.h5", "dangling"), 0);
    assert_int_equal(symlink("round", "about"), 0);
    assert_int_equal(symlink("about", "round"), 0);
    assert_int_equal(path_resolve("dangling", a), STATUS_OK);
    assert_int_equal(path_resolve("folder/later.h5", b), STATUS_OK);
    assert_string_equal(a, b);
    assert_true(path_same("dangling", "folder/./later.h5"));
    assert_int_equal(path_resolve("about", a), STATUS_USAGE);
    assert_int_equal(path_resolve(".hidden/x.h5", a), STATUS_OK); /* a folder that is not there, with a dot in front */
    assert_non_null(strstr(a, "/.hidden/x.h5"));
    assert_false(path_same(".hidden/x.h5", "hidden/x.h5"));
    assert_true(path_same("folder", "folder//"));
    assert_true(path_same("later", "./later/"));
    assert_true(path_same("..", "../folder/..") == 0 && path_same("not-there/../x", "not-there/../x"));
    assert_int_equal(path_resolve("no/such/folder/x.h5", a), STATUS_OK);
    assert_non_null(strstr(a, "/no/such/folder/x.h5"));
    assert_false(path_same("no/such/x.h5", "no/such/y.h5"));
}

/* ---- locks ---- */
/* What stands behind `name ` in a lock of this process. */
static void own_line(const char *name, char value[128]) {
    struct file_lock lock;
    assert_int_equal(file_lock_take(&lock, "own.h5"), STATUS_OK);
    const char *line = strstr(lock.text, name);
    assert_non_null(line);
    snprintf(value, 128, "%.*s", (int)strcspn(line + strlen(name) + 1, "\n"), line + strlen(name) + 1);
    file_lock_release(&lock);
}

struct lock_text {
    const char *host, *space, *job;
    long restart, pid;
    unsigned long long began;
};

static void write_lock(struct lock_text l) {
    char text[1024], host[128], space[128];
    own_line("host", host);
    own_line("space", space);
    snprintf(text, sizeof text,
             "lock of medtok\nhost %s\nspace %s\njob %s\nrestart %ld\npid %ld\nbegan %llu\nsince 2026-01-01_10:00:00\n",
             l.host ? l.host : host, l.space ? l.space : space, l.job ? l.job : "-", l.restart, l.pid, l.began);
    write_text("out.h5.lock-medtok", text);
}

static void a_lock_is_for_one(void **state) {
    (void)state;
    struct file_lock first, second;
    assert_int_equal(file_lock_take(&first, "out.h5"), STATUS_OK);
    assert_int_equal(access("out.h5.lock-medtok", F_OK), 0);
    assert_int_equal(file_lock_take(&second, "out.h5"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "is being written by process"));
    file_lock_release(&second); /* holds nothing */
    assert_int_equal(access("out.h5.lock-medtok", F_OK), 0);
    file_lock_release(&first);
    assert_int_equal(access("out.h5.lock-medtok", F_OK), -1);
    assert_int_equal(file_lock_take(&second, "out.h5"), STATUS_OK);
    file_lock_release(&second);
}

static void takes(void) {
    struct file_lock lock;
    assert_int_equal(file_lock_take(&lock, "out.h5"), STATUS_OK);
    file_lock_release(&lock);
    assert_int_equal(access("out.h5.lock-medtok", F_OK), -1);
}

static void does_not_take(const char *because) {
    struct file_lock lock;
    assert_int_equal(file_lock_take(&lock, "out.h5"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), because));
    assert_int_equal(access("out.h5.lock-medtok", F_OK), 0);
}

/* When a process began, as /proc says. */
static unsigned long long began(pid_t pid) {
    char name[64], line[1024] = "";
    unsigned long long ticks = 0;
    snprintf(name, sizeof name, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    const char *at = strrchr(line, ')');
    for (int field = 2; field < 22; field++) at = strchr(at + 1, ' ');
    assert_int_equal(sscanf(at, "%llu", &ticks), 1);
    return ticks;
}

static void a_lock_of_a_process_that_is_no_more_is_taken(void **state) {
    (void)state;
    write_lock((struct lock_text){.pid = 99999999, .began = 1});
    takes();
    write_lock((struct lock_text){.pid = getppid(), .began = began(getppid())});
    does_not_take("is being written by process");
    write_lock((struct lock_text){.pid = getppid(), .began = 1}); /* another process had that number */
    takes();
    pid_t ended = fork();
    if (ended == 0) _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)ended, &info, WEXITED | WNOWAIT), 0); /* it stays as a zombie */
    write_lock((struct lock_text){.pid = ended, .began = began(ended)});
    takes();
    assert_int_equal(waitpid(ended, NULL, 0), ended);
}

/* In another container of this host, process numbers mean something else. */
static void a_lock_from_elsewhere_is_believed_for_a_while(void **state) {
    (void)state;
    struct timespec old[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000000}};
    unsetenv("SLURM_JOB_ID");
    write_lock((struct lock_text){.space = "boot/pid:[1]", .pid = 99999999, .began = 1});
    does_not_take("is being written by process 99999999");
    write_lock((struct lock_text){.host = "node7", .pid = 123, .job = "77"});
    does_not_take("process 123 (job 77) on node7 since 2026-01-01 10:00:00");
    setenv("SLURM_JOB_ID", "77", 1); /* this same job, not queued again: another step of it */
    does_not_take("process 123 (job 77)");
    setenv("SLURM_RESTART_COUNT", "1", 1);
    takes();
    setenv("SLURM_JOB_ID", "78", 1);
    write_lock((struct lock_text){.host = "node7", .pid = 123, .job = "77"});
    does_not_take("process 123 (job 77)");
    assert_int_equal(utimensat(AT_FDCWD, "out.h5.lock-medtok", old, 0), 0); /* no sign of life since 2001 */
    takes();
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_RESTART_COUNT");
}

/* A process that was stopped for long comes back. */
static void a_lock_that_another_took_is_not_used(void **state) {
    (void)state;
    struct file_lock lock;
    assert_int_equal(file_lock_take(&lock, "out.h5"), STATUS_OK);
    assert_int_equal(file_lock_check(), STATUS_OK);
    assert_int_equal(unlink("out.h5.lock-medtok"), 0); /* by hand */
    assert_int_equal(file_lock_check(), STATUS_OK);
    assert_int_equal(access("out.h5.lock-medtok", F_OK), 0);
    write_lock((struct lock_text){.host = "node7", .pid = 123});
    assert_int_equal(file_lock_check(), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "no longer this run's"));
    file_lock_release(&lock);
    assert_int_equal(access("out.h5.lock-medtok", F_OK), 0); /* it is the other's */
    assert_int_equal(unlink("out.h5.lock-medtok"), 0);
    assert_int_equal(file_lock_check(), STATUS_OK);
}

static void a_users_file_in_the_way_is_left(void **state) {
    (void)state;
    struct file_lock lock;
    write_text("out.h5.lock-medtok", "notes\n");
    assert_int_equal(file_lock_take(&lock, "out.h5"), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "in the way"));
    assert_int_equal(access("out.h5.lock-medtok", F_OK), 0);
    assert_int_equal(unlink("out.h5.lock-medtok"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_is_no_other_path_of_its_job),
        cmocka_unit_test(every_key_of_files_says_whether_it_is_written),
        cmocka_unit_test(an_output_that_is_something_else_is_refused),
        cmocka_unit_test(metrics_are_known_by_their_first_line),
        cmocka_unit_test(the_configuration_is_an_input),
        cmocka_unit_test(files_of_a_grids_trainings_are_outputs),
        cmocka_unit_test(links_are_followed_there_or_not),
        cmocka_unit_test(a_lock_is_for_one),
        cmocka_unit_test(a_lock_of_a_process_that_is_no_more_is_taken),
        cmocka_unit_test(a_lock_from_elsewhere_is_believed_for_a_while),
        cmocka_unit_test(a_lock_that_another_took_is_not_used),
        cmocka_unit_test(a_users_file_in_the_way_is_left),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
