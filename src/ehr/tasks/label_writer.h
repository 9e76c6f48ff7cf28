/* The labels of a cohort in files that others read: MEDS' label schema.
 *
 *   FOLDER/TASK/labels.csv, labels.parquet   subject_id, prediction_time, and one of
 *     boolean_value      of a binary task
 *     integer_value      the class, of one of classes
 *     categorical_value  of a set: names of its classes with | between; none: empty
 *
 * Rows are by subject and time. A prediction time is inclusive: an event at that very time is known.
 */
#ifndef MEDTOK_EHR_TASKS_LABEL_WRITER_H
#define MEDTOK_EHR_TASKS_LABEL_WRITER_H

/* Writes those of all tasks of the cohort file. Parquet is written by `python` (as store/parquet_file.h takes it); without one that has pyarrow
 * there is a warning, and CSV alone. Files that are there are replaced if they are labels, else an error. One process. */
int label_files_write(const char *cohort, const char *folder, const char *python);

#endif
