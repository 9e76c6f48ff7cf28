/* What the texts of settings cohort.* mean. */
#ifndef MEDTOK_INGEST_COHORT_SETTINGS_H
#define MEDTOK_INGEST_COHORT_SETTINGS_H

#include "ingest/options.h"
#include "store/subject_record.h"

/* Bits 1 << enum code_kind of "diagnosis,drug"; "all": all. STATUS_USAGE: a word that is no kind. */
int cohort_kinds(const struct cohort_options *options, unsigned *kinds);

/* Shares of "70/10/20". STATUS_USAGE: not three numbers, none negative, not all zero. */
int cohort_shares(const struct cohort_options *options, double share[N_SPLITS]);

#endif
