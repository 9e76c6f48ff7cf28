/* The values of all settings: one struct, whose layout a schema says, filled from defaults, then YAML files, then `key=value`.
 * A file may hold the keys of all jobs; a key that there is not is an error that names file, line, the key, and the known keys
 * that may be meant. */
#ifndef MEDTOK_CONFIG_VALUES_H
#define MEDTOK_CONFIG_VALUES_H

#include <stdio.h>

#include "config/schema.h"

/* Sets every key of zeroed values to its default. Call values_free at the end in any case. */
int values_set_defaults(const struct schema *schema, void *values);
void values_free(const struct schema *schema, void *values);

/* Reads a YAML file (nested or dotted keys) over what is set. Errors: file, line, key, what is allowed; STATUS_USAGE. */
int values_read_file(const struct schema *schema, void *values, const char *path);

/* The same from memory; `name` stands in messages. */
int values_read_text(const struct schema *schema, void *values, const char *name, const char *text, size_t size);

/* Applies one `key=value`; lists are written [a, b] or as a comma-separated value. The error names the argument. */
int values_set(const struct schema *schema, void *values, const char *assignment);

/* Whether a file or an assignment set the key, to whatever value; for a schema that keeps it (`given`). */
int values_given(const struct schema *schema, const void *values, const char *name);

/* Applies lines `key: value` that values_provenance wrote into the file `path`; `lines` is written over. */
int values_adopt(const struct schema *schema, void *values, const char *path, char *lines);

/* Prints the keys that `job` uses with type, range, unit, default and help. */
void values_print_help(FILE *out, const struct schema *schema, unsigned job);

/* Prints the values of the keys that `job` uses, as YAML. */
void values_print(FILE *out, const struct schema *schema, const void *values, unsigned job);

/* Those alone that values_given knows. */
void values_print_given(FILE *out, const struct schema *schema, const void *values, unsigned job);

/* The settings that shape the output of `job` as `key: value` lines in table order. The caller frees *text. */
int values_provenance(const struct schema *schema, const void *values, unsigned job, char **text);

#endif
