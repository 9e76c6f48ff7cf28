/* Which row of a vocabulary.h5 each code of a cohort is: the code itself, else its nearest ancestor in the hierarchy of
 * its system (terms/code_hierarchy.h; an NDC's product), else missing: a row of its own that a model learns, never row
 * 0.
 */
#ifndef MEDTOK_TERMS_VOCABULARY_MATCH_H
#define MEDTOK_TERMS_VOCABULARY_MATCH_H

#include <stdint.h>

#include "base/dictionary.h"
#include "store/vocabulary.h"

enum match_kind { MATCH_MISSING, MATCH_ANCESTOR, MATCH_EXACT, N_MATCH_KINDS };
extern const char *const MATCH_KIND_NAMES[N_MATCH_KINDS];

struct vocabulary_match {
    int64_t n;
    int32_t *row;  /* [n] number of the code in the vocabulary, or -1 */
    uint8_t *kind; /* [n] enum match_kind */
};

/* For each code of a cohort, SYSTEM/FORM, SYSTEM/FORM//UNIT or as the source has it. `vocabulary`: read with
 * VOCABULARY_NAMES. */
int vocabulary_match_make(struct vocabulary_match *match, const struct vocabulary *vocabulary,
                          const struct dictionary *codes);
void vocabulary_match_free(struct vocabulary_match *match);

/* ---- the report ---- */
/* One system: codes and their events. The system of a code without one is what stands before its first slash, in
 * brackets: "(LAB)". */
struct match_row {
    char system[48];
    int64_t codes[N_MATCH_KINDS], events[N_MATCH_KINDS];
};

struct match_report {
    int64_t n_systems; /* by events, most first; equal ones by name */
    struct match_row *systems;
    struct match_row all;
    int64_t n_missing; /* codes that are missing, by events, most first; equal ones by name */
    int32_t *missing;  /* [n_missing] numbers of the codes */
};

/* count: [n] events of each code. */
int match_report_make(struct match_report *report, const struct vocabulary_match *match, const struct dictionary *codes,
                      const int64_t *count);
void match_report_free(struct match_report *report);

/* Log lines (base/log.h): each system with the shares of its events that are matched, and the `most` most frequent
 * codes that are not. */
void match_report_log(const struct match_report *report, const struct dictionary *codes, const int64_t *count,
                      int most);

/* All codes that are missing, as TSV with the columns system, code, events, share_of_events. Made under a temporary
 * name. */
int match_report_write(const struct match_report *report, const struct dictionary *codes, const int64_t *count,
                       const char *path);

#endif
