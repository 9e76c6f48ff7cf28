/* Defaults, assignments, printing. */
#include "config/values.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "config/assign.h"

int values_set_defaults(const struct schema *schema, void *values) {
    for (int i = 0; i < schema->n; i++)
        if (schema->keys[i].type != KEY_LIST)
            TRY(assign_text(values, "default", &schema->keys[i], schema->keys[i].initial));
    return STATUS_OK;
}

void values_free(const struct schema *schema, void *values) {
    for (int i = 0; i < schema->n; i++) {
        void *value = assign_target(values, &schema->keys[i]);
        if (schema->keys[i].type == KEY_LIST) string_list_clear(value);
        if (schema->keys[i].type != KEY_PATH && schema->keys[i].type != KEY_TEXT) continue;
        free(*(char **)value);
        *(char **)value = NULL;
    }
}

static int is_given(const struct schema *schema, const void *values, const struct key *key) {
    return ((const unsigned char *)values)[schema->given + (size_t)(key - schema->keys)];
}

int values_given(const struct schema *schema, const void *values, const char *name) {
    const struct key *key = schema_find(schema, name);
    return key && is_given(schema, values, key);
}

/* ---- assignments ---- */
static int set_list(struct string_list *list, const char *value) {
    char *copy = strdup(value), *rest = NULL;
    int status = copy ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
    string_list_clear(list);
    for (char *item = copy ? strtok_r(copy, "[], ", &rest) : NULL; item && status == STATUS_OK;
         item = strtok_r(NULL, "[], ", &rest))
        status = string_list_add(list, item);
    free(copy);
    return status;
}

int values_set(const struct schema *schema, void *values, const char *assignment) {
    char origin[512], name[128];
    size_t n = strcspn(assignment, "=");
    snprintf(origin, sizeof origin, "--set %.200s", assignment);
    if (!assignment[n] || n == 0 || n >= sizeof name) return status_set(STATUS_USAGE, "%s: expected key=value", origin);
    snprintf(name, sizeof name, "%.*s", (int)n, assignment);
    const struct key *key = schema_find(schema, name);
    if (!key) return assign_unknown(schema, origin, name);
    TRY(assign_one_line(origin, key, assignment + n + 1));
    assign_given(schema, values, key);
    if (key->type == KEY_LIST) return set_list(assign_target(values, key), assignment + n + 1);
    return assign_text(values, origin, key, assignment + n + 1);
}

/* What print_quoted made of a text, in place. */
static char *unquoted(char *value) {
    size_t n = strlen(value), m = 0;
    if (n < 2 || value[0] != '\'') return value;
    for (size_t i = 1; i < n - 1; i++, m++) {
        value[m] = value[i];
        i += value[i] == '\''; /* doubled */
    }
    value[m] = 0;
    return value;
}

int values_adopt(const struct schema *schema, void *values, const char *path, char *lines) {
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *colon = strstr(line, ": ");
        if (!colon) continue;
        char assignment[4096];
        snprintf(assignment, sizeof assignment, "%.*s=%s", (int)(colon - line), line, unquoted(colon + 2));
        int status = values_set(schema, values, assignment);
        if (status != STATUS_OK)
            return status_prefix(status, "%s holds settings that this version does not know", path);
    }
    return STATUS_OK;
}

/* ---- printing ---- */
static void format_real(double x, char *text, size_t size) {
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, x);
        if (strtod(text, NULL) == x) return;
    }
}

/* A text in single quotes, as YAML wants it. */
static void print_quoted(FILE *out, const char *text) {
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'') fputc('\'', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void print_list(FILE *out, const struct string_list *list) {
    fputc('[', out);
    for (int i = 0; i < list->n; i++) {
        fputs(i ? ", " : "", out);
        print_quoted(out, list->items[i]);
    }
    fputc(']', out);
}

static void print_line(FILE *out, const void *values, const struct key *key) {
    const void *at = (const char *)values + key->offset;
    char text[64];
    fprintf(out, "%s: ", key->name);
    switch (key->type) {
        case KEY_INTEGER: fprintf(out, "%lld", (long long)*(const int64_t *)at); break;
        case KEY_REAL:
            format_real(*(const double *)at, text, sizeof text);
            fputs(text, out);
            break;
        case KEY_CHOICE: fputs(key->choices[*(const unsigned *)at], out); break;
        case KEY_TEXT:
        case KEY_PATH: print_quoted(out, *(char *const *)at); break;
        case KEY_LIST: print_list(out, at); break;
    }
    fputc('\n', out);
}

void values_print(FILE *out, const struct schema *schema, const void *values, unsigned job) {
    for (int i = 0; i < schema->n; i++)
        if (schema->keys[i].jobs & job) print_line(out, values, &schema->keys[i]);
}

void values_print_given(FILE *out, const struct schema *schema, const void *values, unsigned job) {
    for (const struct key *key = schema->keys; key < schema->keys + schema->n; key++)
        if ((key->jobs & job) && is_given(schema, values, key)) print_line(out, values, key);
}

void values_print_help(FILE *out, const struct schema *schema, unsigned job) {
    for (const struct key *key = schema->keys; key < schema->keys + schema->n; key++) {
        char allowed[256];
        if (!(key->jobs & job)) continue;
        schema_allowed(key, allowed, sizeof allowed);
        const char *use = !key->kind ? "" : key->writers & job ? ", written" : ", read";
        fprintf(out, "  %-24s %s\n  %-24s %s%s; default %s\n", key->name, schema_help(schema, key, job), "", allowed,
                use, key->initial[0] ? key->initial : "empty");
    }
}

int values_provenance(const struct schema *schema, const void *values, unsigned job, char **text) {
    size_t size = 0;
    *text = NULL;
    FILE *out = open_memstream(text, &size);
    if (!out) return status_set(STATUS_FAILED, "out of memory");
    for (const struct key *key = schema->keys; key < schema->keys + schema->n; key++)
        if ((key->jobs & job) && key->shapes_output && (!schema->applies || schema->applies(values, job, key)))
            print_line(out, values, key);
    return fclose(out) == 0 ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}
