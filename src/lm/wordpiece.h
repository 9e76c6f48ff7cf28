/* BERT's tokeniser: basic tokenisation, then WordPiece (Devlin et al., 2019; Wu et al., 2016), id for id what Hugging
 * Face's `tokenizers` gives for a BertNormalizer, BertPreTokenizer and WordPiece model.
 *
 * Text is cleaned (control characters go, white space becomes one kind, invalid UTF-8 goes), CJK ideographs are set apart,
 * accents are stripped (NFD without nonspacing marks), letters are lowered; then it is cut at white space and around each
 * punctuation mark, and each word is cut greedily into the longest pieces that the vocabulary has. A word of more than 100
 * characters, or without such pieces, is [UNK]. The special tokens' own names in a text become those tokens.
 * Categories of characters are those of Unicode 8, as there: letters, marks and signs assigned later are nothing special.
 */
#ifndef MEDTOK_LM_WORDPIECE_H
#define MEDTOK_LM_WORDPIECE_H

#include <stdint.h>

#include "base/dictionary.h"

struct wordpiece_rules {
    int lower, strip_accents, set_cjk_apart, clean;
};

enum special_token { TOKEN_PAD, TOKEN_UNK, TOKEN_CLS, TOKEN_SEP, TOKEN_MASK, N_SPECIAL_TOKENS };

struct wordpiece {
    struct wordpiece_rules rules;
    struct dictionary vocabulary;      /* number = token id */
    int32_t special[N_SPECIAL_TOKENS]; /* ids; -1: not in the vocabulary */
    int64_t longest;                   /* bytes of the longest piece */
    /* scratch, reused */
    char *text;
    long long text_capacity;
};

/* Looks up the special tokens of a filled vocabulary; an error names the missing one and `path`. */
int wordpiece_ready(struct wordpiece *wordpiece, const char *path);

/* Ids of text[size] between [CLS] and [SEP], cut to `most` (at least 2) in all: ids[most] is filled, *n is their number. */
int wordpiece_encode(struct wordpiece *wordpiece, const char *text, int64_t size, int64_t most, int32_t *ids,
                     int64_t *n);

void wordpiece_free(struct wordpiece *wordpiece);

#endif
