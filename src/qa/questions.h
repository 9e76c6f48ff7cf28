/* Files of multiple-choice questions, plain or gzip, in one of two forms; the first character tells which.
 *
 * As released with MedTok (Dataset/MedicalQA): a JSON list of {"input": [text, "B"], "medical_codes": [7600, 1050]}. The text is the
 * stem and a line for each option, " A:  ..."; the options begin at its last line for A, and go on to the next line with the next
 * letter. The id is the position in the list, from 0. Codes are rows of MedTok's own table of 617,490 codes, and this number itself
 * (QUESTION_NO_ROW) means that there is none: it is left out. An empty list means the same.
 *
 * Ours: JSON, an object on each line:
 *   {"id": "7", "stem": "...", "options": ["...", "..."], "answer": "B", "codes": [["ICD10CM", "E11.9"]]}
 * id: any text, once in a file. set, the name of the data set that it is of, may be missing. codes may be missing, which is as an empty list; so may option_codes, which has a list like codes for each
 * option (the job qa-link writes both).
 *
 * Both: 2 to 10 options, lettered from A; the answer is one of these letters. Blanks at the ends of stem and options are cut off.
 * Anything else is an error that names the file, the line or the item, and what was expected: unknown and repeated keys too, for a key
 * that is misspelt must not read as one that is missing.
 */
#ifndef MEDTOK_QA_QUESTIONS_H
#define MEDTOK_QA_QUESTIONS_H

#include <stddef.h>
#include <stdint.h>

struct comm;

enum { QUESTION_OPTIONS = 10, QUESTION_NO_ROW = 617490 };

struct question_code {
    char *system, *code; /* NULL: it is known by its row alone */
    int64_t row;         /* of the table that the file was made for; -1: it is known by system and code */
};

struct question {
    char *id, *stem; /* UTF-8 */
    char *set;       /* which data set it is of; NULL: not told */
    int n_options;
    char *options[QUESTION_OPTIONS]; /* [n_options] */
    int answer;                      /* the right option, from 0 */
    int64_t n_codes;
    struct question_code *codes; /* [n_codes] in the file's order */
    struct option_codes {
        int64_t n;
        struct question_code *items; /* [n] */
    } option_codes[QUESTION_OPTIONS];
};

struct questions {
    int64_t n;
    struct question *items; /* [n], owned with all texts; free with questions_free */
};

static inline char question_letter(int option) { return (char)('A' + option); }

/* Collective. Rank 0 reads the file, every rank gets all questions. No question at all is an error. */
int questions_read(const struct comm *comm, const char *path, struct questions *questions);

/* The same of bytes in memory; `path` is what messages call them. Fills all of *questions; free it in any case. */
int questions_parse(const char *path, const char *bytes, int64_t size, struct questions *questions);
void questions_free(struct questions *questions);

/* Questions of `a` whose stem some question of `b` has too, but for case and whatever is neither letter nor digit of ASCII nor a byte
 * beyond it. *n is their number; pair: the first of them in `a`, and the first with that stem in `b`. */
int questions_shared_stems(const struct questions *a, const struct questions *b, int64_t *n, int64_t pair[2]);

/* A hash (XXH3-64) of the stem, the same for those that questions_shared_stems takes for one. */
int question_stem_hash(const struct question *question, uint64_t *hash);

#endif
