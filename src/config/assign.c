/* Every value arrives as text, with where that stands. */
#include "config/assign.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

void *assign_target(void *values, const struct key *key) { return (char *)values + key->offset; }

void assign_given(const struct schema *schema, void *values, const struct key *key) {
    if (schema->given) ((unsigned char *)values)[schema->given + (size_t)(key - schema->keys)] = 1;
}

int assign_refused(const char *origin, const struct key *key, const char *value) {
    char allowed[256];
    schema_allowed(key, allowed, sizeof allowed);
    return status_set(STATUS_USAGE, "%s: %s is \"%s\": expected %s", origin, key->name, value, allowed);
}

static int set_integer(void *to, const char *origin, const struct key *key, const char *value) {
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (end == value || *end || errno || (double)n < key->least || (double)n > key->most)
        return assign_refused(origin, key, value);
    int64_t stored = n;
    memcpy(to, &stored, sizeof stored);
    return STATUS_OK;
}

static int set_real(void *to, const char *origin, const struct key *key, const char *value) {
    char *end;
    errno = 0;
    double x = strtod(value, &end);
    if (x == 0 && errno == ERANGE)
        return status_set(STATUS_USAGE, "%s: %s is \"%s\", which is too small a number to be told from 0", origin,
                          key->name, value);
    if (end == value || *end || !isfinite(x) || x < key->least || x > key->most)
        return assign_refused(origin, key, value);
    memcpy(to, &x, sizeof x);
    return STATUS_OK;
}

static int choice_number(const struct key *key, const char *value) {
    for (int i = 0; key->choices[i]; i++)
        if (strcmp(key->choices[i], value) == 0) return i;
    return -1;
}

static int set_string(char **to, const char *text) {
    char *copy = strdup(text);
    if (!copy) return status_set(STATUS_FAILED, "out of memory");
    free(*to);
    *to = copy;
    return STATUS_OK;
}

static int set_list(struct string_list *list, const char *text) {
    string_list_clear(list);
    return text[0] ? string_list_add(list, text) : STATUS_OK;
}

static int set_choice(void *to, const char *origin, const struct key *key, const char *value) {
    int number = choice_number(key, value);
    if (number < 0) return assign_refused(origin, key, value);
    unsigned stored = (unsigned)number; /* enums are numbered as their choices */
    memcpy(to, &stored, sizeof stored);
    return STATUS_OK;
}

int assign_one_line(const char *origin, const struct key *key, const char *value) {
    if (!strpbrk(value, "\r\n")) return STATUS_OK;
    return status_set(STATUS_USAGE,
                      "%s: %s holds a line break, but a setting is one line: write it in one (of shell commands, with "
                      "`&&` or `;` between)",
                      origin, key->name);
}

int assign_text(void *values, const char *origin, const struct key *key, const char *value) {
    void *to = assign_target(values, key);
    TRY(assign_one_line(origin, key, value));
    switch (key->type) {
        case KEY_INTEGER: return set_integer(to, origin, key, value);
        case KEY_REAL: return set_real(to, origin, key, value);
        case KEY_CHOICE: return set_choice(to, origin, key, value);
        case KEY_TEXT:
        case KEY_PATH: return set_string(to, value);
        case KEY_LIST: return set_list(to, value);
    }
    return STATUS_OK;
}

int assign_unknown(const struct schema *schema, const char *origin, const char *name) {
    enum { MOST_NEAR = 3 };
    const struct key *near[MOST_NEAR];
    char section[64], text[1024];
    size_t used = 0;
    if (schema_is_section(schema, name)) {
        schema_section_keys(schema, name, text, sizeof text);
        return status_set(STATUS_USAGE, "%s: %s is a section, which has no value of its own; its keys are %s", origin,
                          name, text);
    }
    int n = schema_nearest(schema, name, near, MOST_NEAR);
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " or " : "", near[i]->name);
    if (n > 0) return status_set(STATUS_USAGE, "%s: there is no key %s; did you mean %s?", origin, name, text);
    snprintf(section, sizeof section, "%.*s", (int)strcspn(name, "."), name);
    if (!schema_is_section(schema, section))
        return status_set(STATUS_USAGE, "%s: there is no key %s; `medtok JOB --help` lists those of a job", origin,
                          name);
    schema_section_keys(schema, section, text, sizeof text);
    return status_set(STATUS_USAGE, "%s: there is no key %s; %s has %s", origin, name, section, text);
}
