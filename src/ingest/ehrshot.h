/* EHRSHOT as it is published (ehrshot.c says what its rows become): its kinds of tables, and the files of a folder. */
#ifndef MEDTOK_INGEST_EHRSHOT_H
#define MEDTOK_INGEST_EHRSHOT_H

#include "ingest/label_files.h"
#include "ingest/source_table.h"

extern const struct table_kind EHRSHOT_SPLITS, EHRSHOT_EVENTS;
extern const struct table_kind EHRSHOT_LABELS; /* state: struct label_files */

#endif
