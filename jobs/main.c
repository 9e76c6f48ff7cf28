/* medtok: one binary, one job a run. Reads the command line and the configuration, starts MPI, runs the job, and prints the
 * one message if it failed. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "device.h"
#include "jobs.h"

#ifndef MEDTOK_VERSION
#define MEDTOK_VERSION "unknown"
#endif

struct job_entry {
    const char *name, *arguments, *summary;
    enum job job;
    int parallel;      /* runs on all ranks */
    int interruptible; /* looks for signals between pieces of work, and ends with 75; others are ended by them */
};

static const struct job_entry JOBS[] = {
    {"prepare", "", "code tables and the knowledge graph into vocabulary.h5", JOB_PREPARE, 1, 1},
    {"encode", "", "descriptions into text.h5", JOB_ENCODE, 1, 1},
    {"train", "", "vocabulary.h5 and text.h5 into checkpoint.h5", JOB_TRAIN, 1, 1},
    {"tokenize", "", "every code into table.h5; --codes FILE: new codes, with the same model", JOB_TOKENIZE, 1, 1},
    {"inspect", "", "quality of a table's tokens, printed and as JSON", JOB_INSPECT, 1, 1},
    {"lookup", "CODE...", "print the tokens of codes; --near N: and the N nearest codes", JOB_LOOKUP, 0, 0},
    {"export", "[npy] [tsv] [jsonl]", "write the table in other formats", JOB_EXPORT, 0, 1},
    {"verify", "", "check a table; exit code 1 and the first fault if it is bad", JOB_VERIFY, 0, 0},
    {"bench", "", "time of primitives and training steps beside the ceilings of this machine, printed and as JSON",
     JOB_BENCH, 1, 0},
};
enum { N_JOBS = sizeof JOBS / sizeof *JOBS };

struct command {
    const struct job_entry *entry;
    int help, dry_run, near, n_args;
    char **args; /* positional arguments, in place in argv */
};

static void print_usage(FILE *out) {
    fprintf(out,
            "medtok %s: tokens for medical codes, from their text and their place in a knowledge graph\n\n"
            "usage: [mpirun -n RANKS] medtok JOB [--config FILE] [--set key=value]... [--dry-run]\n\njobs:\n",
            MEDTOK_VERSION);
    for (int i = 0; i < N_JOBS; i++)
        fprintf(out, "  %-9s %-20s %s\n", JOBS[i].name, JOBS[i].arguments, JOBS[i].summary);
    fprintf(out,
            "\n`medtok JOB --help` lists the job's settings. `medtok --version` says what it was built with.\n"
            "Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 75 stopped by signal, run again.\n");
}

static void print_job_help(const struct job_entry *entry) {
    const char *arguments = entry->job == JOB_TOKENIZE ? "[--codes FILE [--append-to TABLE]] "
                            : entry->arguments[0]      ? "CODE... [--near N] "
                                                       : "";
    printf("usage: %smedtok %s %s[--config FILE] [--set key=value]... [--dry-run]\n\n%s\n\nsettings:\n",
           entry->parallel ? "[mpirun -n RANKS] " : "", entry->name, arguments, entry->summary);
    config_print_help(stdout, entry->job);
}

static void print_version(void) {
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int n;
    MPI_Get_library_version(library, &n);
    library[strcspn(library, "\n,")] = 0;
    const char *why_none = "";
    int count = device_cuda_count(&why_none);
    printf("medtok %s\n%s\nbackends: cpu; ", MEDTOK_VERSION, library);
    if (count > 0)
        printf("cuda, %d device(s) here\n", count);
    else
        printf("cuda is not usable here: %s\n", why_none);
}

static const struct job_entry *find_job(const char *name) {
    for (int i = 0; i < N_JOBS; i++)
        if (strcmp(JOBS[i].name, name) == 0) return &JOBS[i];
    return NULL;
}

static int parse_near(const char *text, int *near) {
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > 100000)
        return status_set(STATUS_USAGE, "--near is \"%s\": expected an integer, 1 to 100000", text);
    *near = (int)n;
    return STATUS_OK;
}

/* An option that takes a value: `--config FILE`. */
static int option_value(int argc, char **argv, int *at, const char **value) {
    if (*at + 1 >= argc) return status_set(STATUS_USAGE, "%s needs a value", argv[*at]);
    *value = argv[++*at];
    return STATUS_OK;
}

/* The key that an option of the job sets: `--codes FILE`. NULL: it is no such option. */
static const char *option_key(const struct job_entry *entry, const char *option) {
    if (entry->job != JOB_TOKENIZE) return NULL;
    return strcmp(option, "--codes") == 0       ? "tokenize.codes"
           : strcmp(option, "--append-to") == 0 ? "tokenize.append_to"
                                                : NULL;
}

static int set_key(struct config *config, const char *key, const char *value) {
    char assignment[PATH_MAX + 64];
    snprintf(assignment, sizeof assignment, "%s=%s", key, value);
    return config_set(config, assignment);
}

/* Reads argv behind the job's name. Files are read first, then --set, whatever their order. */
static int parse(struct command *command, struct config *config, int argc, char **argv) {
    const char *value = "";
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0) {
            TRY(option_value(argc, argv, &i, &value));
            TRY(config_read_file(config, value));
        }
    }
    command->args = argv + 2;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0) {
            i++;
        } else if (strcmp(argv[i], "--set") == 0) {
            TRY(option_value(argc, argv, &i, &value));
            TRY(config_set(config, value));
        } else if (strcmp(argv[i], "--near") == 0 && command->entry->job == JOB_LOOKUP) {
            TRY(option_value(argc, argv, &i, &value));
            TRY(parse_near(value, &command->near));
        } else if (option_key(command->entry, argv[i])) {
            const char *key = option_key(command->entry, argv[i]);
            TRY(option_value(argc, argv, &i, &value));
            TRY(set_key(config, key, value));
        } else if (strcmp(argv[i], "--dry-run") == 0) {
            command->dry_run = 1;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            command->help = 1;
        } else if (argv[i][0] == '-' || !command->entry->arguments[0]) {
            return status_set(STATUS_USAGE, "medtok %s does not know %s; see `medtok %s --help`", command->entry->name,
                              argv[i], command->entry->name);
        } else {
            command->args[command->n_args++] = argv[i];
        }
    }
    return command->help ? STATUS_OK : config_check(config, command->entry->job);
}

static enum log_level log_level_of(const char *name) {
    static const char *const NAMES[] = {"error", "warn", "info", "debug"};
    int level = 3;
    while (level > 0 && strcmp(NAMES[level], name) != 0) level--;
    return (enum log_level)level;
}

static int run_parallel(const struct comm *comm, const struct config *config, enum job job) {
    switch (job) {
        case JOB_PREPARE: return job_prepare(comm, config);
        case JOB_ENCODE: return job_encode(comm, config);
        case JOB_TRAIN: return job_train(comm, config);
        case JOB_INSPECT: return job_inspect(comm, config);
        case JOB_BENCH: return job_bench(comm, config);
        default: return job_tokenize(comm, config);
    }
}

static int run_single(const struct command *command, const struct config *config) {
    switch (command->entry->job) {
        case JOB_LOOKUP: return job_lookup(config, command->n_args, command->args, command->near);
        case JOB_EXPORT: return job_export(config, command->n_args, command->args);
        default: return job_verify(config);
    }
}

static int run(const struct comm *comm, struct command *command, struct config *config, int argc, char **argv) {
    TRY(config_defaults(config));
    TRY(comm_agree(comm, parse(command, config, argc, argv)));
    log_configure(comm->rank, log_level_of(config->run.log_level));
    if (command->help) {
        if (comm->rank == 0) print_job_help(command->entry);
        return STATUS_OK;
    }
    if (command->dry_run) {
        if (comm->rank == 0) config_print(stdout, config, command->entry->job);
        return STATUS_OK;
    }
    if (command->entry->parallel) return run_parallel(comm, config, command->entry->job);
    return comm_agree(comm, comm->rank == 0 ? run_single(command, config) : STATUS_OK);
}

/* Runs before the constructors of all libraries. */
static void (*block_signals)(void) __attribute__((section(".preinit_array"), used)) = interrupt_block;

int main(int argc, char **argv) {
    struct command command = {0};
    struct config config = {0};
    struct comm comm;
    int status = interrupt_start();
    command.entry = argc > 1 ? find_job(argv[1]) : NULL;
    interrupt_decide(command.entry && command.entry->interruptible);
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        print_version();
        return 0;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? STATUS_USAGE : 0;
    }
    int started = comm_start(&comm, &argc, &argv);
    if (status == STATUS_OK) status = started;
    interrupt_guard_handlers();
    log_configure(comm.rank, LOG_LEVEL_INFO);
    if (status == STATUS_OK && !command.entry)
        status = status_set(STATUS_USAGE, "there is no job %s; `medtok --help` lists them", argv[1]);
    if (status == STATUS_OK) status = run(&comm, &command, &config, argc, argv);
    config_free(&config);
    if (status == STATUS_ALONE) {
        log_error("%s", status_message());
        MPI_Abort(comm.handle, STATUS_FAILED);
    }
    if (status != STATUS_OK && comm.rank == 0) log_error("%s", status_message());
    comm_stop(&comm);
    return status;
}
