/* A growing list. */
#include "train/measures.h"

#include <stdlib.h>

#include "base/status.h"

void measures_clear(struct measures *m) {
    m->summary[0] = 0;
    m->n = m->watched = 0;
    m->status = STATUS_OK;
}

void measures_free(struct measures *m) {
    free(m->list);
    *m = (struct measures){0};
}

void measures_add_estimate(struct measures *m, struct measure measure) {
    if (m->status == STATUS_OK) m->status = mem_grow(&m->list, &m->capacity, m->n + 1, sizeof *m->list);
    if (m->status == STATUS_OK) m->list[m->n++] = measure;
}

void measures_add(struct measures *m, const char *name, double value, int digits) {
    measures_add_estimate(m, (struct measure){.name = name, .value = value, .digits = digits});
}

static void write_estimate(struct json *json, const struct measure *m) {
    json_object(json, m->name);
    if (m->n == 0) {
        json_text(json, "value", NULL);
        json_text(json, "reason", m->reason);
    } else {
        json_real(json, "value", m->value, 9);
        json_real(json, "low", m->low, 9);
        json_real(json, "high", m->high, 9);
        json_integer(json, "n", m->n);
    }
    json_end(json);
}

void measures_write_json(struct json *json, const struct measures *measures) {
    for (long long i = 0; i < measures->n; i++) {
        const struct measure *m = &measures->list[i];
        if (m->digits)
            json_real(json, m->name, m->value, m->digits);
        else
            write_estimate(json, m);
    }
}
