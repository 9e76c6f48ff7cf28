/* What TransformEHR reads of a batch: tokens of an encoder and of a decoder, and the dates of the encoder's.
 *
 *               encoder                                                  decoder
 *   task        the timeline (ehr/timeline.h)                            SEP, and the timeline but its last token
 *   pre-training  the timeline of all visits before the last             SEP, and the codes of the last visit
 *
 * In pre-training the decoder's row t has for target the token that stands in its row t + 1; behind the last code that is SEP, the
 * end. Codes without a row are left out of the last visit: nothing is learned from a missing one. A last visit that is longer than
 * ehr.max_length is cut behind so many tokens, and then has no end; a subject without a dated visit gives no rows at all.
 *
 * Dates are counted from the subject's birth, and without one from its first known visit: calendars of records that were made
 * anonymous are shifted by subject, and a year of the calendar that training saw tells nothing of one that comes later. A token has the
 * date of its visit's start, CLS the prediction time, or in pre-training the start of the visit that is to be generated. Nothing behind
 * the prediction time is read. Static codes and times before birth have no date.
 */
#ifndef MEDTOK_EHR_MODELS_TRANSFORMEHR_INPUT_H
#define MEDTOK_EHR_MODELS_TRANSFORMEHR_INPUT_H

#include "ehr/models.h"
#include "ehr/timeline.h"

/* Years, months and days (of a mean month, 30.4375 days) since birth, each as a row of its table; 0: no date. */
enum { DATE_MONTHS = 13, DATE_DAYS = 32 };
struct life_date {
    int32_t year, month, day; /* below age_classes(AGE_YEARS), DATE_MONTHS, DATE_DAYS */
};
struct life_date life_date(int64_t origin, int64_t time);

struct transformehr_rows { /* of the encoder or the decoder */
    struct segments segments;
    struct code_list codes;
    dev_int position;
    int64_t n_pairs; /* that attend to each other */
    /* on the host */
    int32_t *offsets;
    int32_t *tokens; /* [n], owned */
    long long n, capacity;
};

struct transformehr_input {
    struct transformehr_rows encoder, decoder;
    int64_t n_memory_pairs;
    dev_int year, month, day; /* of the encoder's rows */
    dev_int last;             /* of each sample, in the decoder's rows (task) */
    dev_int target;           /* of the decoder's rows (pre-training) */
    int64_t n_targets;
    /* on the host; owned */
    struct life_date *dates; /* of the encoder's rows */
    int32_t *targets;        /* of the decoder's rows */
    long long dates_capacity, targets_capacity;
    struct visits visits;
    struct timeline timeline;
};

/* As struct ehr_model has pack, targets and free_input. */
int transformehr_pack(struct transformehr_input *input, struct pack *pack, const struct ehr_batch *batch,
                      enum ehr_stage stage, const struct ehr_options *options, const struct code_rows *codes);
void transformehr_free_input(void *input);

#endif
