/* What MulT-EHR (models/mult_ehr.c) reads of a sample: a graph of its own.
 *
 *   patient - visit - diagnosis, procedure, prescription, other codes
 *
 * One patient node, whose features are the static codes; a node a dated visit, whose feature is its age; a node for each different code of
 * these visits, by kind. Edges say which patient makes a visit, and which code is told in it, and lead both ways. Of a history of more than
 * max_length dated codes the last so many are kept, of static ones half as many. A sample without a dated visit has one without codes and
 * age. Nodes of a type lie sample after sample; no edge leaves a sample.
 */
#ifndef MEDTOK_EHR_MODELS_MULT_EHR_INPUT_H
#define MEDTOK_EHR_MODELS_MULT_EHR_INPUT_H

#include "ehr/batch.h"
#include "ehr/code_rows.h"
#include "ehr/models.h"

#define NODE_TYPES(TYPE)                                                                                               \
    TYPE(NODE_PATIENT, "patient")                                                                                      \
    TYPE(NODE_VISIT, "visit")                                                                                          \
    TYPE(NODE_DIAGNOSIS, "diagnosis")                                                                                  \
    TYPE(NODE_PROCEDURE, "procedure")                                                                                  \
    TYPE(NODE_PRESCRIPTION, "prescription")                                                                            \
    TYPE(NODE_OTHER, "other") /* measurements and what is of no other kind */
#define NODE_TYPE_NUMBER(number, name) number,
enum node_type { NODE_TYPES(NODE_TYPE_NUMBER) N_NODE_TYPES };

enum {
    NODE_FIRST_CODE = NODE_DIAGNOSIS,
    N_CODE_NODES = N_NODE_TYPES - NODE_FIRST_CODE,
    N_RELATIONS = 2 * (N_NODE_TYPES - 1)
};

/* Edges from nodes of a type to nodes of another: between patient and visit, then between visit and each type of codes. */
struct relation {
    enum node_type source, target;
};
struct relation mult_ehr_relation(int number);

enum node_type mult_ehr_node_type(uint8_t code_kind);

/* TransE's part of a batch. It asks questions: which code does a head have? `most` of a subject's (visit, code) pairs are drawn, and
 * NEGATIVES codes of the same type that stand against each. A pair asks one question if its visit has other codes: these are the head; and
 * one if the subject has other visits, whose codes are the head then. */
enum { TRANSE_PAIRS = 16, TRANSE_NEGATIVES = 5 };
struct transe_input {
    int64_t n_questions, n_visits, n_answers; /* n_answers: TRANSE_NEGATIVES of each question */
    struct code_list codes, negatives;        /* rows of all code nodes; of what was drawn */
    struct bag visits, patients;              /* of code nodes a visit; of visits a patient */
    /* [n_questions] row of the head's sum in visits, and whether it is added or, of a patient's, taken from it; in patients, or -1; of
     * the code that is asked for, and where it has to be taken from the head, or -1 */
    dev_int visit, patient, code, left_out;
    dev_real sign;
    struct bag relations;       /* [n_questions] of two of the relations' vectors each */
    dev_int question, negative; /* [n_answers] and row in negatives */
};

struct mult_ehr_input {
    /* on the device */
    struct segments nodes[N_NODE_TYPES];
    struct edges edges[N_RELATIONS];
    struct code_list facts, codes[N_CODE_NODES];
    struct bag facts_of;        /* of facts, a patient */
    dev_int age;                /* [visits] class */
    dev_int last;               /* [n] row of the sample's last visit */
    dev_int each, head;         /* [dim] 0, 1, 2, ...; the head that the value belongs to */
    struct transe_input transe; /* for pre-training; the rest is for tasks */
    /* on the host, reused */
    struct mult_ehr_graph *graph;
};

/* What packing needs to know. */
struct mult_ehr_terms {
    const struct ehr_options *options; /* borrowed, as the others */
    const struct code_rows *rows;
    uint64_t seed;
    struct {
        int64_t n;
        int32_t *tokens; /* [n] rows of train's codes of the type; owned by the model */
    } drawn[N_CODE_NODES];
};

/* struct ehr_model's pack and free_input. */
int mult_ehr_pack(const struct mult_ehr_terms *terms, struct pack *pack, const struct ehr_batch *batch,
                  enum ehr_stage stage, struct mult_ehr_input *input);
void mult_ehr_free_input(struct mult_ehr_input *input);

#endif
