/* The units in which ETHOS writes a history (Renc et al., 2024; specs: ehr-models-and-tasks 3.1), and how codes are spelled in them.
 *
 *   units with a row in the model's table: fixed ones (intervals of time, deciles, markers), units of codes that train has, context, units of
 *   codes that train has not; then, where codes are rows of ehr/code_rows.h, one a row
 *
 * How a code is spelled is the arm's matter:
 *   random          ICD-10-CM: category, characters 4 to 6, rest; ATC: 3 characters, the 4th, rest; ICD-10-PCS: 7 characters; others: the
 *                   code. A part is one unit, whatever code it is in: a code that train has not is read by those of its parts that it has
 *   medtok-tokens   of a code with tokens the one of the largest weight of each group, in the groups' order; others: the code
 *   others          the code's row of ehr/code_rows.h
 * Admissions, discharges, stays in intensive care and death have their marker in front; of a death it is all, a birth is not spelled.
 * ICD-9 codes are not mapped to ICD-10, as ETHOS does: they are codes of one unit.
 */
#ifndef MEDTOK_EHR_MODELS_ETHOS_VOCABULARY_H
#define MEDTOK_EHR_MODELS_ETHOS_VOCABULARY_H

#include "ehr/data.h"
#include "ehr/code_rows.h"

enum {
    N_ETHOS_INTERVALS = 13,
    N_ETHOS_DECILES = 10,
    ETHOS_MOST_NUMERIC = 200, /* codes whose values have deciles */
    N_ETHOS_AGES = 24,        /* unknown, then 5 years each */
    N_ETHOS_YEARS = 65        /* unknown, then 5 years each, from 1900 on */
};

enum ethos_unit {
    ETHOS_INTERVAL, /* the shortest */
    ETHOS_DECILE = ETHOS_INTERVAL + N_ETHOS_INTERVALS,
    ETHOS_ADMISSION = ETHOS_DECILE + N_ETHOS_DECILES,
    ETHOS_DISCHARGE,
    ETHOS_ICU_ADMISSION,
    ETHOS_ICU_DISCHARGE,
    ETHOS_DEATH,
    ETHOS_END,     /* of all that is known */
    ETHOS_MISSING, /* a code, or part of one, that train has not */
    N_ETHOS_FIXED
};

struct ethos_vocabulary {
    int by_rows;           /* codes are rows of code_rows */
    int64_t n_own;         /* units with a row in the model's table */
    int64_t n_own_outputs; /* the first so many of them can be predicted, */
    int64_t n_row_outputs; /* and so many of those behind n_own */
    int32_t age, year;     /* the first unit of each */
    int64_t *offsets;      /* [codes of the cohort + 1] owned, as what follows */
    int32_t *spelling;     /* the units of each code */
    int32_t *numeric;      /* [codes of the cohort] row of `deciles`, or -1 */
    int64_t n_numeric;
    float *deciles; /* [n_numeric, 9] ascending: a value above k of them is in decile k + 1 */
};

/* Collective. Deciles are those of the histories of pre-training, or without it of train's samples: of at most 16,384 values a code,
 * chosen by `seed`. Free in any case. */
int ethos_vocabulary_make(struct ethos_vocabulary *vocabulary, const struct comm *comm, const struct ehr_data *data,
                          const struct code_rows_source *codes, uint64_t seed);
void ethos_vocabulary_free(struct ethos_vocabulary *vocabulary);

static inline int64_t ethos_n_outputs(const struct ethos_vocabulary *v) { return v->n_own_outputs + v->n_row_outputs; }

/* The number of a unit among those that can be predicted, or -1; and back. */
static inline int32_t ethos_output_of(const struct ethos_vocabulary *v, int32_t unit) {
    if (unit < v->n_own_outputs) return unit;
    int64_t row = unit - v->n_own;
    return row >= 0 && row < v->n_row_outputs ? (int32_t)(v->n_own_outputs + row) : -1;
}
static inline int32_t ethos_unit_of(const struct ethos_vocabulary *v, int64_t output) {
    return (int32_t)(output < v->n_own_outputs ? output : v->n_own + output - v->n_own_outputs);
}

/* The decile of a value, 0 .. 9, or -1: of that code it has none. */
int ethos_decile(const struct ethos_vocabulary *vocabulary, int32_t code, float value);

/* The parts of a code's text in the arm random, as names of units: at most 7. */
enum { ETHOS_MOST_PARTS = 7, ETHOS_PART_BYTES = 512 };
int ethos_parts(const char *text, char parts[ETHOS_MOST_PARTS][ETHOS_PART_BYTES]);

#endif
