/* Keys by name, and keys near a name. */
#include "config/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *schema_help(const struct schema *s, const struct key *key, unsigned job) {
    for (int i = 0; i < s->n_helps; i++)
        if (job == s->helps[i].job && strcmp(key->name, s->helps[i].name) == 0) return s->helps[i].help;
    return key->help;
}

const struct key *schema_find(const struct schema *s, const char *name) {
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->keys[i].name, name) == 0) return &s->keys[i];
    return NULL;
}

const struct key *schema_find_assigned(const struct schema *s, const char *assignment) {
    char name[128];
    size_t n = strcspn(assignment, "=");
    if (!assignment[n] || n == 0 || n >= sizeof name) return NULL;
    snprintf(name, sizeof name, "%.*s", (int)n, assignment);
    return schema_find(s, name);
}

/* ---- what was meant ---- */
static const char *behind_dot(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static const char *whole(const char *name) { return name; }

/* The keys nearest to `name`, both reduced to a part of theirs, of those that differ in at most `best` letters. */
static int nearest_by(const struct schema *s, const char *(*part)(const char *), const char *name, int best,
                      const struct key *nearest[], int most) {
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        int d = text_distance(part(name), part(s->keys[i].name));
        if (d > best) continue;
        if (d < best) n = 0;
        best = d;
        if (n < most) nearest[n++] = &s->keys[i];
    }
    return n;
}

int schema_nearest(const struct schema *s, const char *name, const struct key *nearest[], int most) {
    int in_all = (int)strlen(name) / 3, behind = (int)strlen(behind_dot(name));
    int n = nearest_by(s, whole, name, in_all < behind / 2 ? in_all : behind / 2, nearest, most);
    return n > 0 ? n : nearest_by(s, behind_dot, name, behind / 3, nearest, most);
}

/* The part of the key behind `section` and a dot, or NULL. */
static const char *in_section(const struct key *key, const char *section) {
    size_t n = strlen(section);
    return strncmp(key->name, section, n) == 0 && key->name[n] == '.' ? key->name + n + 1 : NULL;
}

int schema_is_section(const struct schema *s, const char *name) {
    for (int i = 0; i < s->n; i++)
        if (in_section(&s->keys[i], name)) return 1;
    return 0;
}

void schema_section_keys(const struct schema *s, const char *section, char *text, size_t size) {
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < s->n && used < size; i++) {
        const char *name = in_section(&s->keys[i], section);
        if (name) used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
    }
}

/* ---- what is allowed ---- */
void schema_allowed(const struct key *key, char *text, size_t size) {
    const char *open = key->unit[0] ? " (" : "", *close = key->unit[0] ? ")" : "";
    if (key->type == KEY_INTEGER)
        snprintf(text, size, "an integer, %.16g to %.16g%s%s%s", key->least, key->most, open, key->unit, close);
    else if (key->type == KEY_REAL)
        snprintf(text, size, "a number, %g to %g", key->least, key->most);
    else if (key->type == KEY_LIST)
        snprintf(text, size, "a list of %s", key->unit[0] ? key->unit : "paths");
    else if (key->type == KEY_PATH || key->type == KEY_TEXT)
        snprintf(text, size, key->type == KEY_PATH ? "a path" : "a text");
    else {
        size_t used = (size_t)snprintf(text, size, "one of ");
        for (int i = 0; key->choices[i] && used < size; i++)
            used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", key->choices[i]);
    }
}
