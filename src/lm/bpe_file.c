/* tokenizer.json. Read bpe_open first. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/status.h"
#include "lm/bpe.h"
#include "lm/folder_json.h"

/* What is read from, for messages. */
struct source {
    struct bpe *bpe;
    const char *folder;
};

static int unknown(const struct source *s, const char *what, const char *value) {
    return status_set(STATUS_FAILED, "%s/tokenizer.json: %s is %s, which is not known here", s->folder, what,
                      value ? value : "missing");
}

static const char *type_of(json_t *object) { return json_string_value(json_object_get(object, "type")); }

static int is_type(json_t *object, const char *type) {
    const char *given = type_of(object);
    return given && strcmp(given, type) == 0;
}

/* ---- bytes: in the file each stands for itself if it can be printed in Latin-1, the others for U+0100 and on ---- */
static int stands_for_itself(int byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* The byte of a character; -1: none. */
static int byte_of(int32_t character) {
    int next = 0x100;
    if (character < 0x100) return stands_for_itself(character) ? character : -1;
    for (int byte = 0; byte < 0x100; byte++)
        if (!stands_for_itself(byte) && next++ == character) return byte;
    return -1;
}

/* The bytes of a token to `bytes`, which has room for the token; a token that is not written so (an added one) stays as it is. */
static int64_t bytes_of(const char *token, int64_t size, char *bytes) {
    int64_t n = 0;
    for (int64_t i = 0; i < size;) {
        utf8proc_int32_t character;
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)token + i, size - i, &character);
        int byte = length > 0 ? byte_of(character) : -1;
        if (byte < 0) {
            memcpy(bytes, token, (size_t)size);
            return size;
        }
        bytes[n++] = (char)byte;
        i += length;
    }
    return n;
}

/* ---- the vocabulary ---- */
/* An added token may be in the vocabulary too, with the same id. */
static int add_piece(const struct source *s, const char *bytes, int64_t size, json_int_t id, long long *capacity) {
    struct bpe *b = s->bpe;
    int32_t piece;
    int32_t known = dictionary_find(&b->pieces, bytes, size);
    if (id < 0 || id >= b->n || b->piece_of_id[id] != known)
        return status_set(STATUS_FAILED,
                          "%s/tokenizer.json: token %lld, %.*s, is there twice, has two ids, or is beyond %lld tokens",
                          s->folder, (long long)id, (int)size, bytes, (long long)b->n);
    if (known >= 0) return STATUS_OK;
    TRY(dictionary_add(&b->pieces, bytes, size, &piece));
    TRY(mem_grow(&b->id_of_piece, capacity, b->pieces.n, sizeof *b->id_of_piece));
    b->id_of_piece[piece] = (int32_t)id;
    b->piece_of_id[id] = piece;
    return STATUS_OK;
}

/* Ids may have gaps, but lie below twice the number of tokens and 65,536. */
static int read_pieces(const struct source *s, json_t *vocabulary, json_t *added) {
    struct bpe *b = s->bpe;
    long long capacity = 0, buffer_capacity = 0;
    char *buffer = NULL;
    const char *token;
    size_t i;
    json_t *entry;
    int status = STATUS_OK;
    b->n = 2 * (int64_t)(json_object_size(vocabulary) + json_array_size(added)) + 65536;
    TRY(mem_alloc(&b->piece_of_id, b->n, sizeof *b->piece_of_id));
    memset(b->piece_of_id, 0xff, (size_t)b->n * sizeof *b->piece_of_id);
    json_object_foreach(vocabulary, token, entry) {
        int64_t size = (int64_t)strlen(token);
        TRY_DONE(mem_grow(&buffer, &buffer_capacity, size + 1, 1));
        TRY_DONE(add_piece(s, buffer, bytes_of(token, size, buffer),
                           json_is_integer(entry) ? json_integer_value(entry) : -1, &capacity));
    }
    json_array_foreach(added, i, entry) {
        json_t *content = json_object_get(entry, "content"), *id = json_object_get(entry, "id");
        TRY_DONE(add_piece(s, json_string_value(content) ? json_string_value(content) : "",
                           (int64_t)json_string_length(content), json_is_integer(id) ? json_integer_value(id) : -1,
                           &capacity));
    }
    while (b->n > 0 && b->piece_of_id[b->n - 1] < 0) b->n--;
done:
    free(buffer);
    return status;
}

static void find_bytes(struct bpe *b) {
    for (int i = 0; i < 256; i++) {
        char byte = (char)i;
        int32_t piece = dictionary_find(&b->pieces, &byte, 1);
        b->byte_id[i] = piece < 0 ? -1 : b->id_of_piece[piece];
    }
}

/* ---- merges ---- */
static int32_t id_of(const struct bpe *b, const char *bytes, int64_t size) {
    int32_t piece = dictionary_find(&b->pieces, bytes, size);
    return piece < 0 ? -1 : b->id_of_piece[piece];
}

/* The two tokens of a merge: "LEFT RIGHT", or [LEFT, RIGHT]. */
static int read_merge(const struct source *s, json_t *entry, struct bpe_merge *merge) {
    const char *text = json_string_value(entry), *space = text ? strchr(text, ' ') : NULL, *right = NULL;
    const char *left = space ? text : json_string_value(json_array_get(entry, 0));
    int64_t left_size = left ? space ? space - left : (int64_t)strlen(left) : 0;
    char *bytes;
    right = space ? space + 1 : json_string_value(json_array_get(entry, 1));
    if (!left || !right)
        return status_set(STATUS_FAILED, "%s/tokenizer.json: merge %d is no pair of tokens", s->folder, merge->rank);
    int64_t right_size = (int64_t)strlen(right);
    TRY(mem_alloc(&bytes, left_size + right_size + 1, 1));
    int64_t n = bytes_of(left, left_size, bytes), more = bytes_of(right, right_size, bytes + n);
    merge->left = id_of(s->bpe, bytes, n);
    merge->right = id_of(s->bpe, bytes + n, more);
    merge->result = id_of(s->bpe, bytes, n + more);
    free(bytes);
    if (merge->left >= 0 && merge->right >= 0 && merge->result >= 0) return STATUS_OK;
    return status_set(STATUS_FAILED, "%s/tokenizer.json: merge %d, %.*s and %s, is of tokens that its vocabulary lacks",
                      s->folder, merge->rank, (int)left_size, left, right);
}

static int by_pair_and_rank(const void *a, const void *b) {
    const struct bpe_merge *x = a, *y = b;
    if (x->left != y->left) return (x->left > y->left) - (x->left < y->left);
    if (x->right != y->right) return (x->right > y->right) - (x->right < y->right);
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static int read_merges(const struct source *s, json_t *merges) {
    struct bpe *b = s->bpe;
    size_t i;
    json_t *entry;
    TRY(mem_alloc(&b->merges, (long long)json_array_size(merges), sizeof *b->merges));
    json_array_foreach(merges, i, entry) {
        b->merges[i].rank = (int32_t)i;
        TRY(read_merge(s, entry, &b->merges[i]));
        b->n_merges++;
    }
    if (b->n_merges) qsort(b->merges, (size_t)b->n_merges, sizeof *b->merges, by_pair_and_rank);
    int64_t n = 0; /* of a pair that is there twice the last one counts, as in a map that is filled in order */
    for (int64_t k = 0; k < b->n_merges; k++) {
        const struct bpe_merge *next = k + 1 < b->n_merges ? &b->merges[k + 1] : NULL;
        if (!next || next->left != b->merges[k].left || next->right != b->merges[k].right)
            b->merges[n++] = b->merges[k];
    }
    b->n_merges = n;
    return STATUS_OK;
}

/* ---- added tokens ---- */
/* An added token, where it stands in the file. */
struct named {
    int64_t size, at;
    int32_t id;
};

static int longest_first(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    if (x->size != y->size) return (x->size < y->size) - (x->size > y->size);
    return (x->at > y->at) - (x->at < y->at);
}

static int read_named(const struct source *s, json_t *entry, int64_t at, struct named *named) {
    static const char *const FLAGS[] = {"lstrip", "rstrip", "single_word"};
    const char *content = json_string_value(json_object_get(entry, "content"));
    if (!content || !*content) return unknown(s, "the content of an added token", "empty");
    for (int k = 0; k < 3; k++)
        if (json_is_true(json_object_get(entry, FLAGS[k])))
            return status_set(STATUS_FAILED, "%s/tokenizer.json: added token %s has %s, which is not known here",
                              s->folder, content, FLAGS[k]);
    *named = (struct named){(int64_t)strlen(content), at, (int32_t)json_integer_value(json_object_get(entry, "id"))};
    return STATUS_OK;
}

static int read_added(const struct source *s, json_t *added) {
    struct bpe *b = s->bpe;
    struct named *named = NULL;
    size_t i;
    json_t *entry;
    int status;
    TRY_DONE(mem_alloc(&b->added, (long long)json_array_size(added), sizeof *b->added));
    TRY_DONE(mem_alloc(&named, (long long)json_array_size(added), sizeof *named));
    json_array_foreach(added, i, entry) TRY_DONE(read_named(s, entry, (int64_t)i, &named[i]));
    b->n_added = (int64_t)json_array_size(added);
    if (b->n_added) qsort(named, (size_t)b->n_added, sizeof *named, longest_first);
    for (int64_t k = 0; k < b->n_added; k++) b->added[k] = named[k].id;
done:
    free(named);
    return status;
}

/* Names of added tokens are looked for in the text as it is, before it is composed. */
static int check_normalized(const struct source *s, json_t *added) {
    size_t i;
    json_t *entry;
    json_array_foreach(
        added, i,
        entry) if (s->bpe->composes &&
                   json_is_true(json_object_get(
                       entry, "normalized"))) return status_set(STATUS_FAILED,
                                                                "%s/tokenizer.json: added token %s is normalized, "
                                                                "which is not known here",
                                                                s->folder,
                                                                json_string_value(json_object_get(entry, "content")));
    return STATUS_OK;
}

/* ---- words ---- */
static int add_split(const struct source *s, const char *expression) {
    struct bpe *b = s->bpe;
    int error;
    size_t at;
    if (b->n_splits == BPE_MOST_SPLITS) return unknown(s, "pre_tokenizer", "of too many parts");
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &at, NULL);
    if (!code)
        return status_set(STATUS_FAILED, "%s/tokenizer.json: the expression %s is wrong at its character %zu",
                          s->folder, expression, at);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* faster, where there is one */
    b->splits[b->n_splits++] = code;
    return STATUS_OK;
}

static int read_pre_tokenizer(const struct source *s, json_t *part, int *has_bytes) {
    static const char GPT2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    size_t i;
    json_t *entry;
    if (is_type(part, "Sequence")) {
        json_array_foreach(json_object_get(part, "pretokenizers"), i, entry) {
            if (is_type(entry, "Sequence")) return unknown(s, "pre_tokenizer", "a sequence in a sequence");
            TRY(read_pre_tokenizer(s, entry, has_bytes));
        }
        return STATUS_OK;
    }
    if (is_type(part, "Digits"))
        return add_split(s, json_is_true(json_object_get(part, "individual_digits")) ? "\\p{N}" : "\\p{N}+");
    if (is_type(part, "Split")) {
        const char *behavior = json_string_value(json_object_get(part, "behavior"));
        const char *expression = json_string_value(json_object_get(json_object_get(part, "pattern"), "Regex"));
        if (!behavior || strcmp(behavior, "Isolated") != 0 || json_is_true(json_object_get(part, "invert")))
            return unknown(s, "the behavior of a split", behavior);
        return expression ? add_split(s, expression) : unknown(s, "the pattern of a split", "no expression");
    }
    if (!is_type(part, "ByteLevel")) return unknown(s, "pre_tokenizer", type_of(part));
    *has_bytes = 1;
    if (json_is_true(json_object_get(part, "add_prefix_space"))) return unknown(s, "add_prefix_space", "true");
    return json_is_false(json_object_get(part, "use_regex")) ? STATUS_OK : add_split(s, GPT2);
}

static int read_normalizer(const struct source *s, json_t *normalizer) {
    if (!normalizer || json_is_null(normalizer)) return STATUS_OK;
    if (!is_type(normalizer, "NFC")) return unknown(s, "normalizer", type_of(normalizer));
    s->bpe->composes = 1;
    return STATUS_OK;
}

/* ---- all of it ---- */
static int read_model(const struct source *s, json_t *model, json_t *added) {
    static const char *const AFFIXES[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    if (!is_type(model, "BPE")) return unknown(s, "model", type_of(model));
    if (json_is_true(json_object_get(model, "byte_fallback"))) return unknown(s, "byte_fallback", "true");
    if (json_is_string(json_object_get(model, "unk_token")))
        return unknown(s, "unk_token", json_string_value(json_object_get(model, "unk_token")));
    for (int k = 0; k < 2; k++) {
        const char *affix = json_string_value(json_object_get(model, AFFIXES[k]));
        if (affix && *affix) return unknown(s, AFFIXES[k], affix);
    }
    s->bpe->ignore_merges = json_is_true(json_object_get(model, "ignore_merges"));
    TRY(read_pieces(s, json_object_get(model, "vocab"), added));
    find_bytes(s->bpe);
    TRY(read_merges(s, json_object_get(model, "merges")));
    return read_added(s, added);
}

int bpe_open(struct bpe *b, const char *folder) {
    struct source s = {b, folder};
    json_t *file;
    int status, has_bytes = 0;
    *b = (struct bpe){0};
    TRY(folder_load_json(folder, "tokenizer.json", &file));
    TRY_DONE(read_model(&s, json_object_get(file, "model"), json_object_get(file, "added_tokens")));
    TRY_DONE(read_normalizer(&s, json_object_get(file, "normalizer")));
    TRY_DONE(check_normalized(&s, json_object_get(file, "added_tokens")));
    TRY_DONE(read_pre_tokenizer(&s, json_object_get(file, "pre_tokenizer"), &has_bytes));
    if (!has_bytes) status = unknown(&s, "pre_tokenizer", "without ByteLevel");
done:
    json_decref(file);
    if (status != STATUS_OK) bpe_close(b);
    return status;
}

void bpe_close(struct bpe *b) {
    for (int i = 0; i < b->n_splits; i++) pcre2_code_free(b->splits[i]);
    dictionary_free(&b->pieces);
    free(b->id_of_piece);
    free(b->piece_of_id);
    free(b->merges);
    free(b->added);
    bpe_word_free(b->word);
    *b = (struct bpe){0};
}
