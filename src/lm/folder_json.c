#include "lm/folder_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

void folder_file(const char *folder, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

int folder_has(const char *folder, const char *name) {
    char path[PATH_MAX];
    folder_file(folder, name, path);
    return access(path, R_OK) == 0;
}

int folder_load_json(const char *folder, const char *name, json_t **object) {
    char path[PATH_MAX];
    json_error_t error;
    folder_file(folder, name, path);
    if (access(path, R_OK)) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    *object = json_load_file(path, 0, &error);
    if (json_is_object(*object)) return STATUS_OK;
    int bad_syntax = *object == NULL;
    json_decref(*object);
    *object = NULL;
    return bad_syntax ? status_set(STATUS_FAILED, "%s:%d: %s", path, error.line, error.text)
                      : status_set(STATUS_FAILED, "%s: a JSON object is needed", path);
}

int folder_count(const char *folder, json_t *config, const char *key, int64_t most, int64_t *value) {
    json_t *entry = json_object_get(config, key);
    *value = json_integer_value(entry);
    if (!json_is_integer(entry) || *value < 1 || *value > most)
        return status_set(STATUS_FAILED, "%s/config.json: %s must be an integer, 1 to %lld", folder, key,
                          (long long)most);
    return STATUS_OK;
}

double folder_number(json_t *object, const char *key, double otherwise) {
    json_t *entry = json_object_get(object, key);
    return json_is_number(entry) ? json_number_value(entry) : otherwise;
}
