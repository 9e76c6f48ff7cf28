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
};

/* Reads the vocabulary. Free in any case. */
int probe_codes_read(struct probe_codes *codes, const char *vocabulary_path);
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

/* For each pair of systems between which `map` has codes of the vocabulary the question where their equivalents come among all codes
 * of the second system; appended to *questions [*n]. Of more than `most` queries so many are drawn by `seed`. */
struct question_list {
    struct probe_question *items;
    long long n, capacity;
};
int probe_questions_of_map(const struct probe_codes *codes, const struct code_map *map, int64_t most, uint64_t seed,
                           struct question_list *questions);

/* Whether the question's queries have at least two of the classes (class_of [n], -1: none): of one alone every answer is right. */
int probe_question_tells(const struct probe_question *question, const int32_t *class_of);

/* The question which codes of a system are nearest to one outside its category: asked of codes that have a class in one of
 * classes[n_classes]; nothing is appended if it tells none of these apart. */
int probe_question_of_system(const struct probe_codes *codes, int system, int n_classes,
                             const struct code_classes *classes, int64_t most, uint64_t seed,
                             struct question_list *questions);
void question_list_free(struct question_list *questions);

/* The share of queries whose answer the graph holds: a listed node in common with a right answer, an edge between two of their nodes
 * (measure/code_links.h), or a node that stands above both in a terminology (measure/code_ancestors.h). class_of: of QUESTION_NEAREST, a right answer is a candidate of the query's class outside its
 * category. NaN where no query has a class. */
int probe_question_seen(const struct probe_codes *codes, const struct probe_question *question, const int32_t *class_of,
                        double *seen);

#endif
