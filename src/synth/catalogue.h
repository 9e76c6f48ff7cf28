/* The codes that a made-up hospital uses, and the groups that are its latent diseases.
 *
 * A disease is a group of diagnosis codes of either version of ICD, no code in two groups:
 *   0 .. 3     four that tasks ask for: hypertension, disorders of lipids, cancer of the pancreas, acute myocardial infarction,
 *              by their categories (NAMED in catalogue.c)
 *   then       where codes have nodes of a knowledge graph, the share synth.graph_share: the codes that one node has, in both
 *              versions, wherever they stand in the hierarchy
 *   the rest   runs of neighbouring categories (what stands before the dot), in the order of the code strings; run b of ICD-9 and
 *              run b of ICD-10 are one disease. Every fifth run belongs to no disease: background
 * Procedures and drugs are cut into runs too, of neighbouring codes (drugs: by ATC), four fifths of them dealt out to the diseases,
 * so that a drug that belongs to a disease belongs to it alone; the rest is background.
 *
 * Only codes without a finer one are used (E11.65, not E11.6). Inside a group codes stand in a random order: the first are the
 * frequent ones.
 */
#ifndef MEDTOK_SYNTH_CATALOGUE_H
#define MEDTOK_SYNTH_CATALOGUE_H

#include "synth/options.h"
#include "terms/code_form.h"
#include "terms/code_index.h"

enum { SYNTH_NAMED = 4, SYNTH_CODE_BYTES = 16, SYNTH_NAME_BYTES = 64, SYNTH_PACKAGES = 3 };
enum { ICD9, ICD10, N_ICD };

/* Codes of one system, ascending. */
struct synth_codes {
    enum code_system system;
    int32_t n, n_groups;            /* diseases, then the background */
    char (*code)[SYNTH_CODE_BYTES]; /* [n] without the dot */
    uint8_t *dot;                   /* [n] where it stands in the full spelling; 0: there is none */
    int32_t *group;                 /* [n] */
    int32_t *offsets, *member;      /* [n_groups + 1], [n]: codes of group g are member[offsets[g]] .. */
    int32_t *rank;                  /* [n] its place in its group, 0 the most frequent */
};

struct synth_drug {
    char atc[8], name[SYNTH_NAME_BYTES], package[SYNTH_PACKAGES][24]; /* NDC, 11 digits */
    int n_packages;
};

struct catalogue {
    int32_t n_diseases, n_of_graph;                              /* n_of_graph: behind the named ones */
    struct synth_codes diagnosis[N_ICD], procedure[N_ICD], drug; /* drug: ATC codes, in the order of `drugs` */
    struct synth_drug *drugs;                                    /* [drug.n] */
};

/* Codes that are given: from a vocabulary or code tables. Borrowed. */
struct synth_given_codes {
    int64_t n; /* 0: codes are made up */
    struct strings code, system, description;
    const int64_t *description_end; /* [n] NULL: descriptions end with a zero byte */
    const int64_t *node_offsets; /* [n + 1] the first n_listed[i] of a code's nodes are its own; NULL: there are none */
    const int32_t *nodes, *n_listed; /* n_listed NULL: all */
};

/* The same on every rank. Fails if a system that is needed (ICD9CM, ICD10CM, ICD9PROC, ICD10PCS, ATC) has too few codes for the
 * diseases: says which, and how many there are. */
int catalogue_make(struct catalogue *catalogue, const struct synth_options *options, int64_t seed,
                   const struct synth_given_codes *given);
void catalogue_free(struct catalogue *catalogue);

/* The full spelling, with the dot, into text[SYNTH_CODE_BYTES + 1]. */
void catalogue_spelling(const struct synth_codes *codes, int32_t code, char *text);

/* Makes codes of a system, well-formed but not those of its publisher, one call each: number 0, 1, ...; 0: there are no more. */
int made_code(enum code_system system, int64_t number, char code[SYNTH_CODE_BYTES]);
/* A name for a drug that nobody sells. */
void made_name(int64_t number, char name[SYNTH_NAME_BYTES]);

#endif
