#include "base/string_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int string_list_add(struct string_list *list, const char *text) {
    char **items = realloc(list->items, (size_t)(list->n + 1) * sizeof *items);
    if (!items) return status_set(STATUS_FAILED, "out of memory");
    list->items = items;
    items[list->n] = strdup(text);
    if (!items[list->n]) return status_set(STATUS_FAILED, "out of memory");
    list->n++;
    return STATUS_OK;
}

void string_list_clear(struct string_list *list) {
    for (int i = 0; i < list->n; i++) free(list->items[i]);
    free(list->items);
    *list = (struct string_list){0};
}
