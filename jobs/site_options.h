/* The cluster that slurm/submit submits to: settings site.*. No job computes with them; plan reads them, and the batch scripts are made
 * from them. configs/site.example.yaml has all of them. */
#ifndef MEDTOK_JOBS_SITE_OPTIONS_H
#define MEDTOK_JOBS_SITE_OPTIONS_H

#include "config/options.h"

#define SITE_OPTIONS(KEY, in)                                                                                          \
    KEY(in, TEXT, "site.partition", partition, "", JOB_PLAN, LEAVES, "SLURM's partition; empty: the cluster's own")    \
    KEY(in, TEXT, "site.cpu_partition", cpu_partition, "", JOB_PLAN, LEAVES,                                           \
        "that of the stages that use no GPU (prepare, inspect, cohort); empty: site.partition")                        \
    KEY(in, TEXT, "site.account", account, "", JOB_PLAN, LEAVES, "account that is charged; empty: none is named")      \
    KEY(in, TEXT, "site.qos", qos, "", JOB_PLAN, LEAVES, "quality of service; empty: none is named")                   \
    KEY(in, INTEGER, "site.nodes", nodes, "1", 1, 1e6, "nodes", JOB_PLAN, LEAVES, "nodes of the parallel stages")      \
    KEY(in, INTEGER, "site.tasks", tasks, "0", 0, 4096, "ranks a node", JOB_PLAN, LEAVES, "0: one a GPU, else one")    \
    KEY(in, INTEGER, "site.cpus", cpus, "0", 0, 4096, "cores a rank", JOB_PLAN, LEAVES, "0: what SLURM gives")         \
    KEY(in, INTEGER, "site.gpus", gpus, "0", 0, 64, "GPUs a node", JOB_PLAN, LEAVES,                                   \
        "of encode, train, tokenize and evaluate; 0: these compute on cores")                                          \
    KEY(in, TEXT, "site.memory", memory, "", JOB_PLAN, LEAVES, "memory of a node, as sbatch --mem; empty: not asked")  \
    KEY(in, TEXT, "site.time", time, "04:00:00", JOB_PLAN, LEAVES,                                                     \
        "time limit of each job, as sbatch --time; longer ones are queued again and go on")                            \
    KEY(in, INTEGER, "site.signal", signal, "120", 10, 65535, "seconds", JOB_PLAN, LEAVES,                             \
        "so long before the limit a job is told to save; it takes a step and two checkpoints at most")                 \
    KEY(in, INTEGER, "site.max_restarts", max_restarts, "20", 0, 10000, "restarts", JOB_PLAN, LEAVES,                  \
        "so often a job is queued again; one that saved nothing more is not")                                          \
    KEY(in, TEXT, "site.setup", setup, "", JOB_PLAN, LEAVES,                                                           \
        "shell commands before the program, such as `module load openmpi hdf5-mpi`; empty: none")                      \
    KEY(in, TEXT, "site.container", container, "", JOB_PLAN, LEAVES,                                                   \
        "Apptainer image that has the program (slurm/medtok.def); empty: none")                                        \
    KEY(in, TEXT, "site.srun", srun, "--mpi=pmix", JOB_PLAN, LEAVES, "options of srun")                                \
    KEY(in, LIST, "site.sbatch", sbatch, "options", JOB_PLAN, NULL, "further options of sbatch, such as --constraint") \
    KEY(in, TEXT, "site.runs", runs, "runs", JOB_PLAN, LEAVES,                                                         \
        "folder of run folders; finished ones there tell how long a stage takes")
struct site_options {
    SITE_OPTIONS(OPTION_MEMBER, )
};

/* Seconds of a time as sbatch reads it: minutes, m:s, h:m:s, d-h, d-h:m, d-h:m:s; -1: it is none. */
long long site_seconds(const char *time);

/* Ranks on a node of the parallel stages. */
static inline long long site_tasks(const struct site_options *site) {
    return site->tasks > 0 ? site->tasks : site->gpus > 0 ? site->gpus : 1;
}

#endif
