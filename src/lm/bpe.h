/* Byte-level BPE (Sennrich et al., 2016; Radford et al., 2019) as a Hugging Face tokenizer.json describes it, id for id what
 * `tokenizers` gives: GPT-2, Llama 3, Qwen2.5, SmolLM2.
 *
 * The added tokens' own names in a text become those tokens, leftmost and longest first. What is left between them is composed
 * (NFC) if the file says so, cut into words by its regular expressions (PCRE2), and the bytes of each word are joined, the
 * best-ranked neighbours first, as long as there is a merge. A byte that the vocabulary lacks is left out, as there. Invalid UTF-8
 * becomes U+FFFD.
 */
#ifndef MEDTOK_LM_BPE_H
#define MEDTOK_LM_BPE_H

#include <stdint.h>

#include "base/dictionary.h"

/* Token ids that grow. Zero it before the first use; free with tokens_free. */
struct tokens {
    int32_t *ids;
    long long n, capacity;
};

int tokens_add(struct tokens *tokens, int32_t id);
void tokens_free(struct tokens *tokens);

struct bpe_merge {
    int32_t left, right, rank, result; /* ids; rank: 0 is joined first */
};

struct bpe_word; /* bpe.c's scratch */

enum { BPE_MOST_SPLITS = 8 };

/* A tokeniser. Read by bpe_open; owned, as all in it. */
struct bpe {
    struct dictionary pieces; /* bytes of each token, of the vocabulary and added */
    int32_t *id_of_piece;     /* [pieces.n] */
    int32_t *piece_of_id;     /* [n] or -1 */
    int64_t n;                /* ids are 0 .. n - 1 */
    struct bpe_merge *merges; /* [n_merges] by (left, right) */
    int64_t n_merges;
    int32_t byte_id[256]; /* of the single bytes; -1: not in the vocabulary */
    int32_t *added;       /* [n_added] ids of the added tokens, the longest first */
    int64_t n_added;
    void *splits
        [BPE_MOST_SPLITS]; /* [n_splits] compiled expressions; each cuts what the one before has left: matches and what
                                    * lies between them become words */
    int n_splits;
    int composes;      /* NFC */
    int ignore_merges; /* a word that is a token is that token, whatever the merges would make of it */
    struct bpe_word *word;
};

/* Reads tokenizer.json of a model folder. Errors name the file, and the part of it that is not known here. */
int bpe_open(struct bpe *bpe, const char *folder);
void bpe_close(struct bpe *bpe);

/* Appends the ids of text[size], without tokens that begin or end a text. plain: names of added tokens are text like other
 * text, as they should be in what a user wrote. */
int bpe_encode(struct bpe *bpe, const char *text, int64_t size, int plain, struct tokens *tokens);

/* Bytes of a token, *size of them, owned by the tokeniser; NULL and 0 if there is no such id. */
const char *bpe_bytes(const struct bpe *bpe, int32_t id, int64_t *size);

/* The id of an added token; -1: there is none of that name. */
int32_t bpe_added(const struct bpe *bpe, const char *name);

void bpe_word_free(struct bpe_word *word); /* for bpe_close */

#endif
