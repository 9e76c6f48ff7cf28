/* Rows mostly come by subject; then there is nothing to sort. */
#include "measure/subject_units.h"

#include <stdlib.h>

#include "base/status.h"
#include "measure/keyed_sort.h"

const char *const WEIGHTING_NAMES[N_WEIGHTINGS] = {"samples", "subjects"};

static int64_t subject_at(const int64_t *subjects, size_t stride, int64_t row) {
    return *(const int64_t *)((const char *)subjects + (size_t)row * stride);
}

static int is_sorted(int64_t n, const int64_t *subjects, size_t stride) {
    for (int64_t i = 1; i < n; i++)
        if (subject_at(subjects, stride, i - 1) > subject_at(subjects, stride, i)) return 0;
    return 1;
}

static void number_sorted(struct subject_units *u, const int64_t *subjects, size_t stride) {
    for (int64_t i = 0; i < u->n_rows; i++) {
        if (i == 0 || subject_at(subjects, stride, i) != subject_at(subjects, stride, i - 1)) u->n++;
        u->unit[i] = (uint32_t)(u->n - 1);
    }
}

static int number_others(struct subject_units *u, const int64_t *subjects, size_t stride) {
    struct keyed *order;
    TRY(mem_alloc(&order, u->n_rows, sizeof *order));
    for (int64_t i = 0; i < u->n_rows; i++)
        order[i] = (struct keyed){key_of_integer(subject_at(subjects, stride, i)), (uint32_t)i, 0};
    keyed_sort(u->n_rows, order);
    for (int64_t i = 0; i < u->n_rows; i++) {
        if (i == 0 || order[i].key != order[i - 1].key) u->n++;
        u->unit[order[i].unit] = (uint32_t)(u->n - 1);
    }
    free(order);
    return STATUS_OK;
}

int subject_units_make(struct subject_units *u, int64_t n, const int64_t *subjects, size_t stride) {
    *u = (struct subject_units){.n_rows = n};
    if (n > UINT32_MAX) return status_set(STATUS_FAILED, "%lld samples are too many to be scored", (long long)n);
    TRY(mem_alloc(&u->unit, n, sizeof *u->unit));
    if (is_sorted(n, subjects, stride))
        number_sorted(u, subjects, stride);
    else
        TRY(number_others(u, subjects, stride));
    TRY(mem_alloc(&u->rows, u->n, sizeof *u->rows));
    for (int64_t i = 0; i < n; i++) u->rows[u->unit[i]]++;
    return STATUS_OK;
}

void subject_units_free(struct subject_units *u) {
    free(u->unit);
    free(u->rows);
    *u = (struct subject_units){0};
}

void subject_units_weigh(const struct subject_units *u, enum weighting weighting, const uint8_t *times,
                         double *weights) {
    for (int64_t i = 0; i < u->n; i++) {
        double n = times ? times[i] : 1;
        weights[i] = weighting == BY_SUBJECTS ? n / u->rows[i] : n;
    }
}
