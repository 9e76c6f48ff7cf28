/* Setting one value from text (private to config/). `origin` says in messages where the text stands: file and line, or argument. */
#ifndef MEDTOK_CONFIG_ASSIGN_H
#define MEDTOK_CONFIG_ASSIGN_H

#include "config/schema.h"

/* Where the value of a key lies in the values. */
void *assign_target(void *values, const struct key *key);

/* Notes that the key was set, by whatever but its default. */
void assign_given(const struct schema *schema, void *values, const struct key *key);

/* Sets a key, a list to a list of one. */
int assign_text(void *values, const char *origin, const struct key *key, const char *text);

/* STATUS_USAGE if a value has a line break: what is printed of settings, and what is read back, has a line for each. */
int assign_one_line(const char *origin, const struct key *key, const char *text);

/* The error that `text` is no value of the key. */
int assign_refused(const char *origin, const struct key *key, const char *text);

/* The error that there is no key `name`: says what may be meant: keys spelled like it, else the keys of its section, else where all
 * keys are listed. */
int assign_unknown(const struct schema *schema, const char *origin, const char *name);

#endif
