/* The jobs of the one binary. Each is a recipe in a file of its own: load, check, compute, write. */
#ifndef MEDTOK_JOBS_JOBS_H
#define MEDTOK_JOBS_JOBS_H

#include "dist/comm.h"
#include "settings.h"

/* What stands on the command line beside options and settings. */
struct job_arguments {
    int n;
    char **items;
    int near; /* lookup --near N; 0: not given */
};

enum ranks {
    NO_RANKS, /* started alone, as on a login node, it starts no MPI; under a launcher as RANK_0 */
    RANK_0,   /* rank 0 alone runs the job */
    ALL_RANKS
};

struct job_entry {
    enum job job;
    const char *name, *arguments, *summary; /* arguments: those that are no options; "" if there are none */
    enum ranks ranks;
    int interruptible; /* looks for signals between pieces of work, and ends with 75; others are ended by them */
    int (*take)(struct config *config,
                const struct job_arguments *arguments); /* arguments that are settings, STATUS_USAGE;
                                                                                 NULL: there are none */
    int (*check)(
        const struct config *config); /* of settings against each other, STATUS_USAGE; NULL: nothing to check */
    int (*run)(const struct comm *comm, const struct config *config, const struct job_arguments *arguments);
};

#define ENTRY(job) extern const struct job_entry job##_JOB;
JOB_LIST(ENTRY)
#undef ENTRY

/* What tokenize runs for new codes; collective. known: the vocabulary that their model was trained on, whose nodes they have; NULL:
 * they are no new codes. encode: with the language model that the text file `like` was made with, another
 * one in text.model is an error; NULL: any. */
int prepare_vocabulary(const struct comm *comm, const struct config *config, char *known);
int encode_descriptions(const struct comm *comm, const struct config *config, char *like);

/* What score runs where score.predictions has many classes; collective. */
struct bootstrap;
int score_classes(const struct config *config, struct bootstrap *bootstrap);

#endif
