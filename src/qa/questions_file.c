/* Question files from the disk to all ranks, and what two of them share. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/dictionary.h"
#include "base/status.h"
#include "dist/comm.h"
#include "ingest/byte_source.h"
#include "qa/questions.h"

/* All bytes of a file; the caller frees *bytes in any case. */
static int read_bytes(const char *path, char **bytes, int64_t *size) {
    enum { BLOCK = 1 << 20 };
    struct byte_source *source = NULL;
    long long capacity = 0;
    int n = 1, status;
    TRY_DONE(byte_source_open(&source, path));
    while (n > 0) {
        TRY_DONE(mem_grow(bytes, &capacity, *size + BLOCK, 1));
        TRY_DONE(byte_source_read(source, *bytes + *size, BLOCK, &n));
        *size += n;
    }
done:
    byte_source_close(source);
    return status;
}

int questions_read(const struct comm *comm, const char *path, struct questions *questions) {
    char *bytes = NULL;
    int64_t size = 0;
    *questions = (struct questions){0};
    int status = comm_agree(comm, comm->rank == 0 ? read_bytes(path, &bytes, &size) : STATUS_OK);
    if (status == STATUS_OK) status = comm_broadcast(comm, &size, sizeof size);
    if (status == STATUS_OK) status = comm_agree(comm, bytes ? STATUS_OK : mem_alloc(&bytes, size, 1));
    if (status == STATUS_OK) status = comm_broadcast(comm, bytes, size);
    if (status == STATUS_OK) status = comm_agree(comm, questions_parse(path, bytes, size, questions));
    free(bytes);
    return status;
}

/* ---- stems that two files share ---- */
/* Writes the letters, digits and bytes beyond ASCII of the stem, in lower case; returns how many. */
static int64_t stem_form(const char *stem, char *form) {
    int64_t n = 0;
    for (const unsigned char *c = (const unsigned char *)stem; *c; c++)
        if (*c >= 0x80 || isalnum(*c)) form[n++] = (char)tolower(*c);
    return n;
}

int question_stem_hash(const struct question *q, uint64_t *hash) {
    char *form;
    TRY(mem_alloc(&form, (long long)strlen(q->stem) + 1, 1));
    *hash = XXH3_64bits(form, (size_t)stem_form(q->stem, form));
    free(form);
    return STATUS_OK;
}

static int64_t longest_stem(const struct questions *q, int64_t least) {
    for (int64_t i = 0; i < q->n; i++)
        if ((int64_t)strlen(q->items[i].stem) > least) least = (int64_t)strlen(q->items[i].stem);
    return least;
}

int questions_shared_stems(const struct questions *a, const struct questions *b, int64_t *n, int64_t pair[2]) {
    struct dictionary forms = {0};
    int64_t *first = NULL; /* [forms.n] question of b with that form */
    char *form = NULL;
    int32_t number;
    int status;
    *n = 0;
    TRY_DONE(mem_alloc(&first, b->n, sizeof *first));
    TRY_DONE(mem_alloc(&form, longest_stem(a, longest_stem(b, 0)) + 1, 1));
    for (int64_t i = 0; i < b->n; i++) {
        int64_t before = forms.n;
        TRY_DONE(dictionary_add(&forms, form, stem_form(b->items[i].stem, form), &number));
        if (forms.n > before) first[before] = i;
    }
    for (int64_t i = 0; i < a->n; i++) {
        number = dictionary_find(&forms, form, stem_form(a->items[i].stem, form));
        if (number >= 0 && (*n)++ == 0) pair[0] = i, pair[1] = first[number];
    }
done:
    dictionary_free(&forms);
    free(first);
    free(form);
    return status;
}
