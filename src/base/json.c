#include "base/json.h"

#include <math.h>

struct json json_begin(FILE *out, int lines) {
    return (struct json){.out = out, .lines = lines};
}

static void print_text(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void new_line(struct json *j) { fprintf(j->out, "\n%*s", j->depth, ""); }

/* What stands before a value: a comma behind the one before, and its name. */
static void begin_value(struct json *j, const char *name) {
    int a_line = j->depth > 0 && j->depth <= j->lines;
    if (j->has_items[j->depth]) fputs(a_line ? "," : ", ", j->out);
    j->has_items[j->depth] = 1;
    if (a_line) new_line(j);
    if (!name) return;
    print_text(j->out, name);
    fputs(": ", j->out);
}

static void open_with(struct json *j, const char *name, char opening, char closing) {
    begin_value(j, name);
    fputc(opening, j->out);
    j->closing[j->depth++] = closing;
    j->has_items[j->depth] = 0;
}

void json_object(struct json *j, const char *name) { open_with(j, name, '{', '}'); }
void json_array(struct json *j, const char *name) { open_with(j, name, '[', ']'); }

void json_end(struct json *j) {
    int on_lines = j->depth <= j->lines && j->has_items[j->depth];
    j->depth--;
    if (on_lines) new_line(j);
    fputc(j->closing[j->depth], j->out);
}

void json_text(struct json *j, const char *name, const char *value) {
    begin_value(j, name);
    if (value)
        print_text(j->out, value);
    else
        fputs("null", j->out);
}

void json_integer(struct json *j, const char *name, int64_t value) {
    begin_value(j, name);
    fprintf(j->out, "%lld", (long long)value);
}

void json_real(struct json *j, const char *name, double value, int digits) {
    begin_value(j, name);
    if (isfinite(value))
        fprintf(j->out, "%.*g", digits, value);
    else
        fputs("null", j->out);
}
