/* JSON files of a Hugging Face model folder, by jansson. Errors name the file and the key, and what to do. */
#ifndef MEDTOK_LM_FOLDER_JSON_H
#define MEDTOK_LM_FOLDER_JSON_H

#include <jansson.h>
#include <limits.h>
#include <stdint.h>

/* The path of the file `name` in the folder, cut to PATH_MAX. */
void folder_file(const char *folder, const char *name, char path[PATH_MAX]);

/* Whether it is there and can be read. */
int folder_has(const char *folder, const char *name);

/* The JSON object in it; the caller decrefs. */
int folder_load_json(const char *folder, const char *name, json_t **object);

/* The integer `key` of config.json, which is 1 to `most`. */
int folder_count(const char *folder, json_t *config, const char *key, int64_t most, int64_t *value);

/* The number `key`, or `otherwise` if there is none. */
double folder_number(json_t *object, const char *key, double otherwise);

#endif
