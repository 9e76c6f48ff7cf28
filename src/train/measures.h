/* Named numbers for the metrics file, in the order in which they are added. */
#ifndef MEDTOK_TRAIN_MEASURES_H
#define MEDTOK_TRAIN_MEASURES_H

#include <stdio.h>

struct measure {
    const char *name; /* borrowed: it outlives the measures */
    double value;
    int digits; /* significant ones */
};

struct measures {
    struct measure *list; /* [n], owned */
    long long n, capacity;
    char *
        json; /* an evaluation may bring its own members of the JSON line, in place of the list's; of malloc, or NULL */
    char summary[512]; /* and a text to read; "": the list's */
    int status;        /* first failure of measures_add */
};

/* Empty measures are all zeros. measures_clear empties them; measures_free gives their memory back too. */
void measures_clear(struct measures *measures);
void measures_free(struct measures *measures);

void measures_add(struct measures *measures, const char *name, double value, int digits);

/* Members of a JSON object, each with a separator in front: `, "NAME": VALUE`. null where the value is not finite. */
void measures_print_json(FILE *out, const struct measures *measures);

#endif
