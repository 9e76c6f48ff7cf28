/* Classes of codes from files, TSV or CSV, plain or gzip:
 *
 *   code_start, code_end, chapter_num   chapters as ranges of categories of ICD-10-CM (A00 to B99)
 *   CCS                                 a table of ingest/code_group_files.h: a code's class is the first group that has it
 */
#ifndef MEDTOK_INGEST_CODE_CLASS_FILES_H
#define MEDTOK_INGEST_CODE_CLASS_FILES_H

#include "base/dictionary.h"

enum { CLASS_NAME_BYTES = 96 };

/* The class of each name SYSTEM/FORM, or -1, into class_of [names->n]; what they are classes of into `name`: "chapter", "CCS". Fails
 * if the file gives no name a class. */
int code_classes_read(const char *path, const struct dictionary *names, char name[CLASS_NAME_BYTES], int32_t *class_of);

/* The same with a title of each class, by its number, which is a name too: the range of a chapter as a code ("ICD10CM/A00-B99"), and of
 * a group "CCS/tuberculosis". titles: empty before. may_be_none: a file that gives no name a class is no error. */
int code_classes_read_titled(const char *path, const struct dictionary *names, int may_be_none,
                             struct dictionary *titles, int32_t *class_of);

#endif
