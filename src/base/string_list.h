/* A list of texts. */
#ifndef MEDTOK_BASE_STRING_LIST_H
#define MEDTOK_BASE_STRING_LIST_H

struct string_list {
    int n;
    char **items; /* owned */
};

/* Adds a copy. */
int string_list_add(struct string_list *list, const char *text);
void string_list_clear(struct string_list *list);

#endif
