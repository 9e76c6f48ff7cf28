#include "terms/negation.h"

#include <string.h>

enum { REACH = 8, CUE_WORDS = 4 }; /* REACH: words; NegEx has 5, and no lists */

struct cue {
    const char *words[CUE_WORDS]; /* forms (text_words.h) */
    int before;                   /* 1: of what it negates, 0: behind it */
    int reach;                    /* 0: negates nothing, and is no other cue */
};

/* The first that fits counts. */
static const struct cue CUES[] = {
    {{"no", "longer"}, 1, 0},
    {{"no", "less"}, 1, 0},
    {{"no", "more"}, 1, 0},
    {{"no", "doubt"}, 1, 0},
    {{"without", "doubt"}, 1, 0},
    {{"without", "mention"}, 1, 0},
    {{"negative", "for"}, 1, REACH},
    {{"absence", "of"}, 1, REACH},
    {{"free", "of"}, 1, REACH},
    {{"deny"}, 1, REACH},
    {{"denied"}, 1, REACH},
    {{"denying"}, 1, REACH},
    {{"not", "have"}, 1, REACH},
    {{"never", "had"}, 1, REACH},
    {{"no"}, 1, REACH},
    {{"without"}, 1, REACH},
    {{"non"}, 1, 1},
    {{"ruled", "out"}, 0, REACH},
    {{"was", "excluded"}, 0, REACH},
    {{"was", "absent"}, 0, REACH},
    {{"were", "absent"}, 0, REACH},
    {{"is", "absent"}, 0, REACH},
    {{"are", "absent"}, 0, REACH},
};

/* Where another statement begins. */
static const char *const ENDS[] = {"but",        "however",     "although", "though", "except",    "present",
                                   "presenting", "presented",   "take",     "taking", "receive",   "receiving",
                                   "has",        "had",         "who",      "whom",   "which",     "that",
                                   "what",       "because",     "since",    "now",    "developed", "despite",
                                   "complain",   "complaining", "came",     "then",   "with"};

static int cue_at(const struct text_words *w, int64_t i, const struct cue *cue) {
    int n = 0;
    for (; n < CUE_WORDS && cue->words[n]; n++)
        if (i + n >= w->n || (n && w->items[i + n].breaks) || !text_word_is(w, i + n, cue->words[n])) return 0;
    return n;
}

static int ends_reach(const struct text_words *w, int64_t i) {
    for (size_t k = 0; k < sizeof ENDS / sizeof *ENDS; k++)
        if (text_word_is(w, i, ENDS[k])) return 1;
    return 0;
}

static void mark_behind(const struct text_words *w, int64_t i, int reach, uint8_t *negated) {
    for (int k = 0; k < reach && i + k < w->n; k++) {
        if (w->items[i + k].breaks == BREAK_CLAUSE || (k && ends_reach(w, i + k))) return;
        negated[i + k] = 1;
    }
}

static void mark_before(const struct text_words *w, int64_t i, int reach, uint8_t *negated) {
    for (int k = 1; k <= reach && i - k >= 0; k++) {
        if (w->items[i - k + 1].breaks == BREAK_CLAUSE || ends_reach(w, i - k)) return;
        negated[i - k] = 1;
    }
}

void negation_mark(const struct text_words *w, uint8_t *negated) {
    memset(negated, 0, (size_t)w->n);
    for (int64_t i = 0, n; i < w->n; i += n) {
        const struct cue *cue = CUES, *end = CUES + sizeof CUES / sizeof *CUES;
        n = 0;
        while (cue < end && (n = cue_at(w, i, cue)) == 0) cue++;
        if (n == 0)
            n = 1;
        else if (cue->before)
            mark_behind(w, i + n, cue->reach, negated);
        else
            mark_before(w, i, cue->reach, negated);
    }
}
