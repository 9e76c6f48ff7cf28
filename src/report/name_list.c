#include "report/name_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int name_list_add(struct name_list *list, const char *name, int *number) {
    for (*number = 0; *number < list->n; ++*number)
        if (strcmp(list->items[*number], name) == 0) return STATUS_OK;
    TRY(mem_grow(&list->items, &list->capacity, list->n + 1, sizeof *list->items));
    list->items[list->n++] = name;
    return STATUS_OK;
}

void name_list_free(struct name_list *list) {
    free(list->items);
    *list = (struct name_list){0};
}
