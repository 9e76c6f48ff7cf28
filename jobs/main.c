/* medtok: one binary, one job a run. Starts MPI, reads the command line and the configuration, runs the job, sees that what
 * it printed was written, and prints the one message if it failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "defaults.h"
#include "device.h"
#include "jobs.h"
#include "live.h"
#include "outputs.h"

#ifndef MEDTOK_VERSION
#define MEDTOK_VERSION "unknown"
#endif

#define ENTRY(job) &job##_JOB,
static const struct job_entry *const JOBS[] = {JOB_LIST(ENTRY)};
#undef ENTRY

/* ---- options ---- */
enum option_kind {
    OPTION_CONFIG,
    OPTION_SET,
    OPTION_KEY,
    OPTION_NEAR,
    OPTION_FORCE,
    OPTION_DRY_RUN,
    OPTION_GIVEN,
    OPTION_HELP
};

struct option {
    const char *name, *value; /* value: what stands behind it; NULL: nothing */
    enum option_kind kind;
    unsigned jobs;              /* that have it */
    const char *key, *constant; /* OPTION_KEY: the setting that it makes, and to what if no value stands behind it */
    const char *help;
};

static const struct option OPTIONS[] = {
    {"--codes", "FILE", OPTION_KEY, JOB_TOKENIZE, "tokenize.codes", NULL,
     "a code table of new codes, which get tokens instead of the vocabulary"},
    {"--append-to", "TABLE", OPTION_KEY, JOB_TOKENIZE, "tokenize.append_to", NULL,
     "with --codes: the table that the new codes follow"},
    {"--from", "CHECKPOINT", OPTION_KEY, JOB_TRAIN, "train.from", NULL,
     "another training, of the same sizes, that this one goes on from"},
    {"--near", "N", OPTION_NEAR, JOB_LOOKUP, NULL, NULL, "and the N codes nearest to each by embedding"},
    {"--config", "FILE", OPTION_CONFIG, ALL_JOBS, NULL, NULL,
     "settings in YAML, of any jobs; of several files the last wins"},
    {"--set", "key=value...", OPTION_SET, ALL_JOBS, NULL, NULL, "settings over those of the files"},
    {"--stages", NULL, OPTION_KEY, STAGE_JOBS, "run.stages", "always", "say where the time went, on one rank too"},
    {"--force", NULL, OPTION_FORCE, JOB_PREPARE | JOB_ENCODE | JOB_TRAIN | JOB_TOKENIZE | JOB_COHORT | JOB_EVALUATE,
     NULL, NULL, "make the output anew though it is up to date, and replace what other settings made"},
    {"--dry-run", NULL, OPTION_DRY_RUN, ALL_JOBS, NULL, NULL, "print the settings that would be used, and stop"},
    {"--given", NULL, OPTION_GIVEN, ALL_JOBS, NULL, NULL,
     "with --dry-run: only those that a file or the command line sets"},
    {"--help", NULL, OPTION_HELP, ALL_JOBS, NULL, NULL, "print this"},
};
enum { N_OPTIONS = sizeof OPTIONS / sizeof *OPTIONS };

/* What the command line says. */
struct command {
    const struct job_entry *entry;
    int help, force, dry_run, given, near;
    int n_args, n_files, n_settings; /* at most argc each */
    char **args;                     /* arguments that are no options */
    const char **files;              /* of --config */
    struct setting {
        const char *key, *value; /* key NULL: value is key=value, of --set */
    } * settings;
};

/* ---- help ---- */
static void print_usage(FILE *out) {
    fprintf(out,
            "medtok %s: tokens for medical codes, from their text and their neighbourhood in a knowledge graph\n\n"
            "usage: [mpirun -n RANKS] medtok JOB [--config FILE] [--set key=value...] [--dry-run]\n\njobs:\n",
            MEDTOK_VERSION);
    for (int i = 0; i < N_JOBS; i++)
        fprintf(out, "  %-9s %-20s %s\n", JOBS[i]->name, JOBS[i]->arguments, JOBS[i]->summary);
    fprintf(
        out,
        "\n`medtok help JOB` or `medtok JOB --help` lists the job's options and settings. `medtok --version` says what "
        "it was built with.\n"
        "Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 75 stopped by a signal, run again.\n");
}

static void print_job_help(const struct job_entry *entry) {
    printf("usage: %smedtok %s", entry->ranks == ALL_RANKS ? "[mpirun -n RANKS] " : "", entry->name);
    if (entry->arguments[0]) printf(" %s", entry->arguments);
    for (int i = 0; i < N_OPTIONS; i++)
        if ((OPTIONS[i].jobs & entry->job) && OPTIONS[i].kind != OPTION_HELP)
            printf(OPTIONS[i].value ? " [%s %s]" : " [%s]", OPTIONS[i].name, OPTIONS[i].value);
    printf("\n\n%s\n\noptions:\n", entry->summary);
    for (int i = 0; i < N_OPTIONS; i++) {
        const char *value = OPTIONS[i].value ? OPTIONS[i].value : "";
        if (OPTIONS[i].jobs & entry->job)
            printf("  %s %-*s %s\n", OPTIONS[i].name, (int)(23 - strlen(OPTIONS[i].name)), value, OPTIONS[i].help);
    }
    printf("\nsettings, in a file (--config) or on the command line (--set):\n");
    config_print_help(stdout, entry->job);
}

static void print_version(FILE *out) {
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int n;
    MPI_Get_library_version(library, &n);
    library[strcspn(library, "\n,")] = 0;
    const char *why_none = "";
    int count = device_cuda_count(&why_none);
    fprintf(out, "medtok %s\n%s\nbackends: cpu; ", MEDTOK_VERSION, library);
    if (count > 0)
        fprintf(out, "cuda, %d device(s) here\n", count);
    else
        fprintf(out, "cuda is not usable here: %s\n", why_none);
}

/* The names of jobs, a sum of enum job: "encode, train". */
static const char *names_of(unsigned jobs, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < N_JOBS && used < size; i++)
        if (JOBS[i]->job & jobs)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", JOBS[i]->name);
    return text;
}

/* ---- reading argv ---- */
static const struct job_entry *find_job(const char *name) {
    for (int i = 0; i < N_JOBS; i++)
        if (strcmp(JOBS[i]->name, name) == 0) return JOBS[i];
    return NULL;
}

/* The option that an argument names, as `--name` or `--name=value`; NULL: none. */
static const struct option *find_option(const char *argument) {
    size_t n = strcspn(argument, "=");
    if (strcmp(argument, "-h") == 0) return find_option("--help");
    for (int i = 0; i < N_OPTIONS; i++)
        if (strlen(OPTIONS[i].name) == n && strncmp(OPTIONS[i].name, argument, n) == 0) return &OPTIONS[i];
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

/* The value of an option: `--name=value`, or the next argument, unless that is an option itself. */
static int option_value(const struct option *option, int argc, char **argv, int *at, const char **value) {
    const char *equals = strchr(argv[*at], '='), *next = *at + 1 < argc ? argv[*at + 1] : "";
    if (!option->value && equals)
        return status_set(STATUS_USAGE, "%s takes no value, but %s gives it one", option->name, argv[*at]);
    if (!option->value) return STATUS_OK;
    if (!equals && strncmp(next, "--", 2) == 0)
        return status_set(STATUS_USAGE,
                          "%s needs a value (%s), but %s follows; a value that begins so is given as %s=%s",
                          option->name, option->value, next, option->name, next);
    *value = equals ? equals + 1 : next;
    *at += !equals;
    return **value ? STATUS_OK : status_set(STATUS_USAGE, "%s needs a value: %s", option->name, option->value);
}

/* Whether an argument behind `--set key=value` is another key=value. Codes to look up may hold a `=` as well. */
static int is_next_setting(const struct job_entry *entry, const char *argument) {
    return argument[0] != '-' && strchr(argument, '=') && (!entry->arguments[0] || config_jobs(argument));
}

static int take_option(struct command *command, const struct option *option, int argc, char **argv, int *at) {
    const char *value = option->constant;
    char names[256];
    if (!(option->jobs & command->entry->job))
        return status_set(STATUS_USAGE, "medtok %s does not know %s, which is an option of: %s", command->entry->name,
                          option->name, names_of(option->jobs, names, sizeof names));
    TRY(option_value(option, argc, argv, at, &value));
    switch (option->kind) {
        case OPTION_CONFIG: command->files[command->n_files++] = value; break;
        case OPTION_KEY:
            for (int i = 0; i < command->n_settings; i++)
                if (command->settings[i].key && strcmp(command->settings[i].key, option->key) == 0)
                    return status_set(STATUS_USAGE, "%s is given twice", option->name);
            command->settings[command->n_settings++] = (struct setting){option->key, value};
            break;
        case OPTION_NEAR: return parse_near(value, &command->near);
        case OPTION_FORCE: command->force = 1; break;
        case OPTION_DRY_RUN: command->dry_run = 1; break;
        case OPTION_GIVEN: command->given = 1; break;
        case OPTION_HELP: command->help = 1; break;
        case OPTION_SET:
            command->settings[command->n_settings++] = (struct setting){NULL, value};
            while (*at + 1 < argc && is_next_setting(command->entry, argv[*at + 1]))
                command->settings[command->n_settings++] = (struct setting){NULL, argv[++*at]};
            break;
    }
    return STATUS_OK;
}

static int take_argument(struct command *command, char *argument) {
    const char *name = command->entry->name;
    if (argument[0] != '-' && command->entry->arguments[0]) {
        command->args[command->n_args++] = argument;
        return STATUS_OK;
    }
    if (config_jobs(argument))
        return status_set(STATUS_USAGE, "medtok %s does not know %s; settings stand behind --set", name, argument);
    return status_set(STATUS_USAGE, "medtok %s does not know %s; see `medtok %s --help`", name, argument, name);
}

/* Reads argv behind the job's name. */
static int parse(struct command *command, int argc, char **argv) {
    TRY(mem_alloc(&command->args, argc, sizeof *command->args));
    TRY(mem_alloc(&command->files, argc, sizeof *command->files));
    TRY(mem_alloc(&command->settings, argc, sizeof *command->settings));
    for (int i = 2; i < argc; i++) {
        const struct option *option = find_option(argv[i]);
        TRY(option ? take_option(command, option, argc, argv, &i) : take_argument(command, argv[i]));
    }
    return STATUS_OK;
}

static void command_free(struct command *command) {
    free(command->args);
    free(command->files);
    free(command->settings);
}

/* ---- the settings ---- */
static int set_key(struct config *config, const char *key, const char *value) {
    char *assignment;
    TRY(mem_alloc(&assignment, (long long)(strlen(key) + strlen(value)) + 2, 1));
    sprintf(assignment, "%s=%s", key, value);
    int status = config_set(config, assignment);
    free(assignment);
    return status;
}

/* Files are read first, then come options and --set, whatever their order. */
static int configure(const struct command *command, struct config *config) {
    config->force = command->force;
    for (int i = 0; i < command->n_files; i++) TRY(config_read_file(config, command->files[i]));
    for (int i = 0; i < command->n_settings; i++) {
        const struct setting *s = &command->settings[i];
        TRY(s->key ? set_key(config, s->key, s->value) : config_set(config, s->value));
    }
    if (command->entry->take) {
        struct job_arguments arguments = {command->n_args, command->args, command->near};
        TRY(command->entry->take(config, &arguments));
    }
    defaults_by_settings(config, 0);
    return command->entry->check ? command->entry->check(config) : STATUS_OK;
}

/* A file may hold the settings of all jobs; one that is given to this job alone is meant for it. */
static void warn_of_idle_settings(const struct command *command) {
    const struct job_entry *entry = command->entry;
    char names[256];
    if (entry->job == JOB_PLAN) return; /* of all jobs */
    for (int i = 0; i < command->n_settings; i++) {
        const char *assignment = command->settings[i].value;
        if (command->settings[i].key) continue;
        if (!(config_jobs(assignment) & entry->job))
            log_warn("--set %s changes nothing: it is a setting of %s, not of %s", assignment,
                     names_of(config_jobs(assignment), names, sizeof names), entry->name);
        else if (entry->job == JOB_TOKENIZE && config_is_of_model(assignment))
            log_warn("--set %s changes nothing: tokenize takes it from the checkpoint", assignment);
    }
}

/* ---- the job ---- */
static int run_job(const struct comm *comm, const struct command *command, const struct config *config) {
    const struct job_entry *entry = command->entry;
    struct job_arguments arguments = {command->n_args, command->args, command->near};
    if (entry->ranks > RANK_0) return entry->run(comm, config, &arguments);
    return comm_agree(comm, comm->rank == 0 ? entry->run(comm, config, &arguments) : STATUS_OK);
}

static int run(const struct comm *comm, struct command *command, struct config *config, struct outputs *outputs,
               int argc, char **argv) {
    int status = config_defaults(config);
    if (status == STATUS_OK) status = parse(command, argc, argv);
    if (status == STATUS_OK && !command->help) status = configure(command, config);
    TRY(comm_agree(comm, status));
    log_configure(comm->rank, config->run.log_level);
    if (comm->rank == 0 && !command->help) warn_of_idle_settings(command);
    if (!command->help) TRY(comm_agree(comm, comm->rank == 0 ? outputs_check(config, command->entry->job) : STATUS_OK));
    if (command->help) {
        if (comm->rank == 0) print_job_help(command->entry);
    } else if (command->dry_run) {
        if (comm->rank == 0 && command->given)
            config_print_given(stdout, config, command->entry->job);
        else if (comm->rank == 0)
            config_print(stdout, config, command->entry->job);
    } else {
        TRY(outputs_lock(outputs, comm, config, command->entry->job));
        struct live *live = live_begin(comm, config, command->entry);
        status = run_job(comm, command, config);
        live_end(live, status);
        TRY(status);
    }
    return comm_agree(comm, comm->rank == 0 ? output_flush() : STATUS_OK);
}

/* What needs no MPI: the version, and help on no job. */
static int print_and_stop(void (*print)(FILE *), FILE *out) {
    print(out);
    int status = output_flush();
    if (status != STATUS_OK) log_error("%s", status_message());
    return status;
}

static int start_ranks(struct comm *comm, const struct job_entry *entry, int *argc, char ***argv) {
    if (!entry || entry->ranks != NO_RANKS || comm_launched_tasks() > 1) return comm_start(comm, argc, argv);
    *comm = comm_self();
    return STATUS_OK;
}

/* Runs before the constructors of all libraries. */
static void (*block_signals)(void) __attribute__((section(".preinit_array"), used)) = interrupt_block;

int main(int argc, char **argv) {
    static char help[] = "--help";
    struct command command = {0};
    struct config config = {0};
    struct outputs outputs = {.n = 0};
    struct comm comm;
    output_begin();
    if (argc > 2 && strcmp(argv[1], "help") == 0) { /* `help JOB` is `JOB --help` */
        argv[1] = argv[2];
        argv[2] = help;
    }
    int status = interrupt_start();
    command.entry = argc > 1 ? find_job(argv[1]) : NULL;
    interrupt_decide(command.entry && command.entry->interruptible);
    if (argc > 1 && strcmp(argv[1], "--version") == 0) return print_and_stop(print_version, stdout);
    if (argc < 2) return print_usage(stderr), STATUS_USAGE;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return print_and_stop(print_usage, stdout);
    int started = start_ranks(&comm, command.entry, &argc, &argv);
    status = started == STATUS_OK ? comm_agree(&comm, status) : started;
    interrupt_guard_handlers();
    log_configure(comm.rank, LOG_LEVEL_INFO);
    if (status == STATUS_OK && !command.entry)
        status = status_set(STATUS_USAGE, "there is no job %s; `medtok --help` lists them", argv[1]);
    if (status == STATUS_OK) status = run(&comm, &command, &config, &outputs, argc, argv);
    outputs_unlock(&outputs);
    config_free(&config);
    command_free(&command);
    if (status == STATUS_ALONE) {
        log_error("%s", status_message());
        MPI_Abort(comm.handle, STATUS_FAILED);
    }
    if (status != STATUS_OK && comm.rank == 0) log_error("%s", status_message());
    comm_stop(&comm);
    return status;
}
