/* JSON, written piece by piece: the one way in which this program writes it.
 *
 *   struct json j = json_begin(out, 0);
 *   json_object(&j, NULL);
 *   json_text(&j, "table", path);
 *   json_array(&j, "terms");
 *   for (...) json_real(&j, NULL, x, 9);
 *   json_end(&j);
 *   json_end(&j);
 *
 * Errors are the stream's (ferror). Members have a name, elements of an array have NULL.
 */
#ifndef MEDTOK_BASE_JSON_H
#define MEDTOK_BASE_JSON_H

#include <stdint.h>
#include <stdio.h>

enum { JSON_DEPTH = 16 };

struct json {
    FILE *out; /* borrowed */
    int lines; /* objects and arrays down to this depth have a member a line; 0: all on one line */
    int depth;
    char closing[JSON_DEPTH]; /* of what is open, outermost first */
    unsigned char has_items[JSON_DEPTH + 1];
};

struct json json_begin(FILE *out, int lines);

/* Open an object or an array; json_end closes the innermost. */
void json_object(struct json *json, const char *name);
void json_array(struct json *json, const char *name);
void json_end(struct json *json);

void json_text(struct json *json, const char *name, const char *value); /* UTF-8; NULL: null */
void json_integer(struct json *json, const char *name, int64_t value);
/* With so many significant digits; what JSON has no number for (NaN, infinity) is null. */
void json_real(struct json *json, const char *name, double value, int digits);

#endif
