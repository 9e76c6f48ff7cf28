/* The report of the job qa, read back. */
#include <jansson.h>
#include <string.h>

#include "base/dictionary.h"
#include "base/status.h"
#include "qa/answers.h"

static int add_ids(struct dictionary *ids, const struct questions *questions) {
    int32_t number;
    for (int64_t i = 0; i < questions->n; i++)
        TRY(dictionary_add(ids, questions->items[i].id, (int64_t)strlen(questions->items[i].id), &number));
    return STATUS_OK;
}

static int read_question(const char *path, const struct questions *questions, const struct dictionary *ids,
                         json_t *entry, int *chosen, int64_t *n_common) {
    const char *id = json_string_value(json_object_get(entry, "id"));
    const char *letter = json_string_value(json_object_get(entry, "chosen"));
    const char *answer = json_string_value(json_object_get(entry, "answer"));
    int32_t i = id ? dictionary_find(ids, id, (int64_t)strlen(id)) : -1;
    if (!id || !letter || !answer) return status_set(STATUS_FAILED, "%s: no report of the job qa", path);
    if (i < 0) return STATUS_OK;
    if (answer[0] != question_letter(questions->items[i].answer) || letter[0] < 'A' ||
        letter[0] >= question_letter(questions->items[i].n_options))
        return status_set(STATUS_FAILED, "%s: question %s is another one there: its answer is %s", path, id, answer);
    *n_common += chosen[i] < 0;
    chosen[i] = letter[0] - 'A';
    return STATUS_OK;
}

int answers_read(const char *path, const struct questions *questions, int *chosen, int64_t *n_common) {
    struct dictionary ids = {0};
    json_error_t error;
    json_t *file = json_load_file(path, 0, &error), *list = json_object_get(file, "questions"), *entry;
    size_t k;
    int status = file ? add_ids(&ids, questions) : status_set(STATUS_FAILED, "%s:%d: %s", path, error.line, error.text);
    if (status == STATUS_OK && !json_is_array(list))
        status = status_set(STATUS_FAILED, "%s: no report of the job qa", path);
    for (int64_t i = 0; i < questions->n; i++) chosen[i] = -1;
    *n_common = 0;
    json_array_foreach(list, k, entry) {
        if (status == STATUS_OK) status = read_question(path, questions, &ids, entry, chosen, n_common);
    }
    if (status == STATUS_OK && *n_common == 0)
        status = status_set(STATUS_FAILED, "%s: no question in it is one of those that were answered", path);
    json_decref(file);
    dictionary_free(&ids);
    return status;
}
