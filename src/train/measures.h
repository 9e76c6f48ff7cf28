/* Named numbers for the metrics file, in the order in which they are added. */
#ifndef MEDTOK_TRAIN_MEASURES_H
#define MEDTOK_TRAIN_MEASURES_H

#include <stdint.h>

#include "base/json.h"

struct measure {
    const char *name; /* borrowed, like `reason`: they outlive the measures */
    double value;
    int digits;       /* significant ones; 0: an estimate, with the members below */
    double low, high; /* its interval */
    int64_t n;        /* from how many; 0: there is no value, for this reason */
    const char *reason;
};

struct measures {
    struct measure *list; /* [n], owned */
    long long n, capacity;
    long long watched; /* the measure of the list that train.patience looks at; larger is better */
    char summary[512]; /* of an evaluation, to read; "": the list's */
    int status;        /* first failure to add */
};

/* Empty measures are all zeros. measures_clear empties them; measures_free gives their memory back too. */
void measures_clear(struct measures *measures);
void measures_free(struct measures *measures);

void measures_add(struct measures *measures, const char *name, double value, int digits);
void measures_add_estimate(struct measures *measures, struct measure estimate);

/* As members of the object that is open: "NAME": VALUE, null where it is not finite; an estimate is an object,
 * {"value": V, "low": L, "high": H, "n": N} or {"value": null, "reason": "..."}. */
void measures_write_json(struct json *json, const struct measures *measures);

#endif
