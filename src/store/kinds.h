/* The kinds of files of this program, once: FILE_KIND(constant, its name in the file, schema version, the job that makes it,
 * what it is in a message). A version goes up when older readers would misread the file, and when what is read from older files
 * would not be what the program now writes. */
#ifndef MEDTOK_STORE_KINDS_H
#define MEDTOK_STORE_KINDS_H

#define FILE_KINDS(FILE_KIND)                                                                                          \
    FILE_KIND(VOCABULARY, "vocabulary", 4, "prepare", "a vocabulary")                                                  \
    FILE_KIND(TEXT, "text", 2, "encode", "text features")                                                              \
    FILE_KIND(CHECKPOINT, "checkpoint", 3, "train", "a checkpoint")                                                    \
    FILE_KIND(TABLE, "table", 3, "tokenize", "a token table")                                                          \
    FILE_KIND(COHORT, "cohort", 3, "cohort", "a cohort")                                                               \
    FILE_KIND(RESULTS, "results", 2, "evaluate", "results of trainings")

#define FILE_KIND_CONSTANT(constant, name, version, job, what) KIND_##constant,
enum file_kind { KIND_UNKNOWN, FILE_KINDS(FILE_KIND_CONSTANT) N_FILE_KINDS };
#undef FILE_KIND_CONSTANT

/* All texts are "?" for KIND_UNKNOWN. */
struct file_kind_facts {
    const char *name;
    int version;
    const char *job, *what;
};
extern const struct file_kind_facts FILE_KIND_FACTS[N_FILE_KINDS];

/* KIND_UNKNOWN if there is none of that name. */
enum file_kind file_kind_named(const char *name);

#endif
