/* A thread inflates, finds where rows begin, and queues blocks. */
#include "ingest/table_stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "base/worker.h"
#include "ingest/byte_source.h"

enum { READ_BYTES = 1 << 17 };

struct table_stream {
    const struct table_reading *reading;
    int *tables, n;
    struct worker *worker;
    pthread_mutex_t guard;
    pthread_cond_t changed;
    struct text_block *blocks[STREAM_BLOCKS];                      /* all, owned */
    long long capacity[STREAM_BLOCKS];                             /* bytes */
    struct text_block *idle[STREAM_BLOCKS], *ready[STREAM_BLOCKS]; /* ready: in the order of the file */
    int n_idle, n_ready, ended, stop;
};

/* ---- the queue ---- */
struct text_block *table_stream_take(struct table_stream *s) {
    pthread_mutex_lock(&s->guard);
    struct text_block *block = s->ready[0];
    s->n_ready--;
    memmove(s->ready, s->ready + 1, (size_t)s->n_ready * sizeof *s->ready);
    pthread_mutex_unlock(&s->guard);
    return block;
}

void table_stream_give_back(struct table_stream *s, struct text_block *block) {
    pthread_mutex_lock(&s->guard);
    s->idle[s->n_idle++] = block;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->guard);
}

int table_stream_ready(struct table_stream *s, double seconds, int *ended) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(seconds * 1e9);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->guard);
    while (s->n_ready == 0 && !s->ended && seconds > 0)
        if (pthread_cond_timedwait(&s->changed, &s->guard, &until) == ETIMEDOUT) break;
    int n = s->n_ready;
    *ended = s->ended;
    pthread_mutex_unlock(&s->guard);
    return n;
}

/* For the thread: waits for an idle block; NULL if it is to stop. */
static struct text_block *wait_for_idle(struct table_stream *s) {
    pthread_mutex_lock(&s->guard);
    while (s->n_idle == 0 && !s->stop) pthread_cond_wait(&s->changed, &s->guard);
    struct text_block *block = s->stop ? NULL : s->idle[--s->n_idle];
    pthread_mutex_unlock(&s->guard);
    if (block) block->size = 0;
    return block;
}

static void add_ready(struct table_stream *s, struct text_block *block) {
    pthread_mutex_lock(&s->guard);
    s->ready[s->n_ready++] = block;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->guard);
}

/* ---- the thread ---- */
/* Makes room for `n` bytes of text; *block may move. */
static int grow(struct table_stream *s, struct text_block **block, int64_t n) {
    int i = 0;
    while (s->blocks[i] != *block) i++;
    int status = mem_grow(&s->blocks[i], &s->capacity[i], n + (int64_t)sizeof **block, 1);
    *block = s->blocks[i];
    return status;
}

/* Reads until the block holds STREAM_BLOCK_BYTES and a row's end, or the file ends. start: of its text, in that of the file. */
static int fill(struct table_stream *s, struct byte_source *source, struct row_cut *cut, int64_t start,
                struct text_block **block) {
    int n;
    do {
        int64_t size = (*block)->size;
        if (cut->cut <= start && size > ROW_LONGEST)
            return table_row_too_long(s->reading->tables[(*block)->table].path, (*block)->line);
        int64_t more = size < STREAM_BLOCK_BYTES ? READ_BYTES : size / 2;
        TRY(grow(s, block, size + more));
        TRY(byte_source_read(source, (*block)->text + size, (int)more, &n));
        row_cut_add(cut, (*block)->text + size, n);
        (*block)->size += n;
    } while (n > 0 && ((*block)->size < STREAM_BLOCK_BYTES || cut->cut <= start));
    (*block)->last = n == 0;
    return STATUS_OK;
}

static int inflate_table(struct table_stream *s, int table, struct byte_source *source) {
    struct row_cut cut = {.quoting = s->reading->shapes[table].separator == ','};
    struct text_block *block = wait_for_idle(s), *next;
    int64_t start = 0;
    if (!block) return STATUS_OK;
    block->table = table;
    block->line = 1;
    for (;; block = next) {
        TRY(fill(s, source, &cut, start, &block));
        if (block->last) break;
        next = wait_for_idle(s);
        if (!next) return STATUS_OK;
        int64_t whole = cut.cut - start, rest = block->size - whole;
        TRY(grow(s, &next, rest));
        memcpy(next->text, block->text + whole, (size_t)rest);
        next->table = table;
        next->line = 1 + cut.n_lines_at_cut;
        next->size = rest;
        block->size = whole;
        start = cut.cut;
        add_ready(s, block);
    }
    add_ready(s, block);
    return STATUS_OK;
}

static int inflate_tables(void *context) {
    struct table_stream *s = context;
    int status = STATUS_OK;
    for (int i = 0; i < s->n && status == STATUS_OK; i++) {
        struct byte_source *source = NULL;
        status = byte_source_open(&source, s->reading->tables[s->tables[i]].path);
        if (status == STATUS_OK) status = inflate_table(s, s->tables[i], source);
        byte_source_close(source);
    }
    pthread_mutex_lock(&s->guard);
    s->ended = 1;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->guard);
    return status;
}

/* ---- its life ---- */
int table_stream_make(struct table_stream **out, const struct table_reading *reading, const int *tables, int n) {
    TRY(mem_alloc(out, 1, sizeof **out));
    struct table_stream *s = *out;
    s->reading = reading;
    s->n = n;
    pthread_mutex_init(&s->guard, NULL);
    pthread_cond_init(&s->changed, NULL);
    TRY(mem_alloc(&s->tables, n, sizeof *tables));
    memcpy(s->tables, tables, (size_t)n * sizeof *tables);
    for (int i = 0; i < STREAM_BLOCKS; i++) {
        TRY(mem_grow(&s->blocks[i], &s->capacity[i], sizeof **s->blocks + STREAM_BLOCK_BYTES + READ_BYTES, 1));
        s->idle[s->n_idle++] = s->blocks[i];
    }
    s->worker = worker_make();
    if (!s->worker) return STATUS_FAILED;
    worker_begin(s->worker, inflate_tables, s);
    return STATUS_OK;
}

int table_stream_finish(struct table_stream *s) {
    pthread_mutex_lock(&s->guard);
    s->stop = 1;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->guard);
    int status = s->worker ? worker_finish(s->worker) : STATUS_OK;
    worker_free(s->worker);
    s->worker = NULL;
    return status;
}

void table_stream_free(struct table_stream *s) {
    if (!s) return;
    if (s->worker) table_stream_finish(s);
    for (int i = 0; i < STREAM_BLOCKS; i++) free(s->blocks[i]);
    free(s->tables);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->guard);
    free(s);
}
