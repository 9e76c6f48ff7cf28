/* A list of texts. */
#ifndef MEDTOK_BASE_STRING_LIST_H
#define MEDTOK_BASE_STRING_LIST_H

struct string_list {
    int n;
    char **items; /* owned */
};

#endif
