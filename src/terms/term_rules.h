/* Abbreviations and other ways to say a thing: what stands for what in clinical texts.
 *
 * A file of rules has two columns, tab-separated: what is written, and what it means; lines that begin with # are comments. Where what is
 * written has two capitals or more it is an abbreviation: a single word, which only counts in capitals, and not in a text that is written in
 * capitals throughout. An abbreviation may have several lines: the first meaning is the usual one, the others are asked for where the
 * abbreviation is a span by itself. Other rules may have several words, and hold for descriptions and texts alike; of two for the same words the
 * later counts.
 *
 * A text becomes a stream of terms: its words with the rules applied, the longest at each word first, each word once. Meanings are rewritten
 * themselves, when the rules are complete.
 */
#ifndef MEDTOK_TERMS_TERM_RULES_H
#define MEDTOK_TERMS_TERM_RULES_H

#include "base/dictionary.h"
#include "terms/text_words.h"

enum { RULE_WORDS = 8, NO_RULE = -1 }; /* most words on either side */

struct term {
    int32_t id;          /* of the word in `words`; -1: it is not there */
    int32_t first, last; /* words of the text that it stands for */
    int32_t rule;        /* that made it, or NO_RULE; one rule's terms are together */
    uint8_t breaks;      /* enum word_break, before it */
    uint8_t role;        /* enum term_role */
};

/* Words like `of` do not count; `and`, `with` count within a term, not at its ends. */
enum term_role { TERM_CONTENT, TERM_JOINS, TERM_SKIPPED };

struct term_stream {
    int64_t n;
    struct term *items; /* [n] */
    long long capacity;
};

struct term_rule {
    int32_t ids[RULE_WORDS]; /* of the meaning's words */
    int n_ids, is_abbreviation;
    int32_t other; /* the next meaning of the same abbreviation, or NO_RULE */
};

struct term_rules {
    struct dictionary words;  /* forms of all words of rules and descriptions */
    struct dictionary shorts; /* ids of what is written, as bytes; of an abbreviation its form behind a byte '=' */
    int32_t *first;           /* [shorts.n] rule */
    struct term_rule *rules;  /* [n] */
    int64_t n;
    int longest; /* words on the left */
    long long rules_capacity, first_capacity;
};

/* Adds the rules of text[size]; `name` is what messages call it. Errors say the line. */
int term_rules_add(struct term_rules *rules, const char *name, const char *text, int64_t size);

/* Rewrites meanings by the rules themselves; behind it no rule may be added. */
int term_rules_complete(struct term_rules *rules);
void term_rules_free(struct term_rules *rules);

/* The stream of words. grow: words that are new get an id (descriptions), else they get -1. */
int term_stream_make(struct term_stream *stream, struct term_rules *rules, const struct text_words *words, int grow);
void term_stream_free(struct term_stream *stream);

#endif
