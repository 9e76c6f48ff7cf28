/* A growing list. */
#include "train/measures.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"

void measures_clear(struct measures *m) {
    free(m->json);
    m->json = NULL;
    m->summary[0] = 0;
    m->n = 0;
    m->status = STATUS_OK;
}

void measures_free(struct measures *m) {
    measures_clear(m);
    free(m->list);
    *m = (struct measures){0};
}

void measures_add(struct measures *m, const char *name, double value, int digits) {
    if (m->status == STATUS_OK) m->status = mem_grow(&m->list, &m->capacity, m->n + 1, sizeof *m->list);
    if (m->status == STATUS_OK) m->list[m->n++] = (struct measure){name, value, digits};
}

void measures_print_json(FILE *out, const struct measures *m) {
    for (long long i = 0; i < m->n; i++) {
        fprintf(out, ", \"%s\": ", m->list[i].name);
        if (isfinite(m->list[i].value))
            fprintf(out, "%.*g", m->list[i].digits, m->list[i].value);
        else
            fputs("null", out);
    }
}
