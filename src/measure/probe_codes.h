/* The codes of a vocabulary as probe looks at them: names, systems, categories, nodes; and the questions that can be asked of them. */
#ifndef MEDTOK_MEASURE_PROBE_CODES_H
#define MEDTOK_MEASURE_PROBE_CODES_H

#include "measure/bags.h"
#include "measure/code_ancestors.h"
#include "measure/code_links.h"
#include "measure/probe_question.h"
#include "terms/code_category.h"
#include "terms/code_map.h"

enum { PROBE_SYSTEM_BYTES = 48, PROBE_MOST_SYSTEMS = 64 };

struct probe_codes {
    int64_t n;
    struct dictionary names;      /* SYSTEM/FORM (terms/code_map.h) */
    int32_t *name, *code_of_name; /* [n] number of each code's name; [names.n] the first code of each */
    int n_systems;
    char systems[PROBE_MOST_SYSTEMS]
                [PROBE_SYSTEM_BYTES]; /* in the order of their first codes; those beyond count as the last */
    uint8_t *system;                  /* [n] */
    struct dictionary categories;     /* SYSTEM/CATEGORY, or the name of a code without one */
    int32_t
        *category; /* [n] number of the category (terms/code_category.h), or for a code without one of its own name */
    uint8_t *is_above; /* [n] the system has categories and the code is above them: neither asked nor found by class */
    struct code_links links;
    struct code_ancestors ancestors; /* what the training's graph had of the terminologies */
    int hierarchy_before; /* a training that it went on from had them in its graph; set by the caller behind reading */
};

/* Reads the vocabulary. Free in any case. */
int probe_codes_read(struct probe_codes *codes, const char *vocabulary_path);
/* Whether the model had parents of codes in a graph that it was trained on. */
static inline int probe_codes_know_hierarchy(const struct probe_codes *codes) {
    return codes->ancestors.n_nodes > 0 || codes->hierarchy_before;
}
void probe_codes_free(struct probe_codes *codes);

/* Codes as bags of the nodes that they list, and of the beginnings of their forms, with 1, 2, ... characters, whatever their system. */
int probe_codes_node_bags(const struct probe_codes *codes, struct bags *bags);
int probe_codes_prefix_bags(const struct probe_codes *codes, struct bags *bags);

/* A class of each code, or -1: chapter, section, level, group. */
struct code_classes {
    char name[QUESTION_NAME_BYTES];
    int32_t *class_of; /* [n], owned */
};

/* The classes that the strings of codes tell (terms/code_category.h), number `i` of those of a system; *found is 0 if there are no more. */
int code_classes_of_strings(const struct probe_codes *codes, int system, int i, struct code_classes *classes,
                            int *found);

/* Classes of names (names_class [names.n]) as those of codes. */
int code_classes_of_names(const struct probe_codes *codes, const int32_t *names_class, struct code_classes *classes);

/* Questions that are asked of codes; zero it before use. */
struct question_list {
    struct probe_question *items;
    long long n, capacity;
};

/* Whether the question's queries have at least two of the classes (class_of [n], -1: none): of one alone every answer is right. */
int probe_question_tells(const struct probe_question *question, const int32_t *class_of);

/* The question which codes of a system are nearest to one outside its category: asked of codes that have a class in one of
 * classes[n_classes]; nothing is appended if it tells none of these apart. */
int probe_question_of_system(const struct probe_codes *codes, int system, int n_classes,
                             const struct code_classes *classes, int64_t most, uint64_t seed,
                             struct question_list *questions);

/* Makes codes[n], of which at most `most` are drawn by `seed`, the question's queries; codes are left in disorder. */
int probe_question_draw(struct probe_question *question, int64_t *codes, int64_t n, int64_t most, uint64_t seed);

/* Takes a question over; of several with one name the others are numbered. */
int question_list_add(struct question_list *questions, const struct probe_question *question);
void question_list_free(struct question_list *questions);

/* The name of a code (terms/code_map.h), and its form (terms/code_form.h). */
void probe_code_name(const struct probe_codes *codes, int64_t code, char name[CODE_NAME_BYTES]);
void probe_code_form(const struct probe_codes *codes, int64_t code, char form[CODE_FORM_BYTES]);

/* The share of queries whose answer the graph holds: a listed node in common with a right answer, an edge between two of their nodes
 * (measure/code_links.h), or a node that stands above both in a terminology (measure/code_ancestors.h). class_of: of QUESTION_NEAREST and
 * QUESTION_LINEAR, whose right answers are the candidates of the query's class outside its category; of them, whose right answers are many,
 * popular nodes and edges of theirs do not count. Of QUESTION_DISTANCE the share of the pairs of which the graph holds any of the three. NaN
 * where no query has a class. */
int probe_question_seen(const struct probe_codes *codes, const struct probe_question *question, const int32_t *class_of,
                        double *seen);

#endif
