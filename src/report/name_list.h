/* Names that are told apart, in the order in which they are met. */
#ifndef MEDTOK_REPORT_NAME_LIST_H
#define MEDTOK_REPORT_NAME_LIST_H

struct name_list {
    int n;
    long long capacity;
    const char **items; /* borrowed */
};

/* The number of a name, which is added if it is new; the name stays the caller's, and must outlive the list. */
int name_list_add(struct name_list *list, const char *name, int *number);
void name_list_free(struct name_list *list);

#endif
