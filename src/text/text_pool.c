/* The first row moves by mean - [CLS]. */
#include "text/text_pool.h"

#include "base/device_status.h"

void text_pool_room_free(struct text_pool_room *r) {
    if (!r->device) return;
    device_free_reals(r->device, r->mean);
    device_free_reals(r->device, r->cls);
    *r = (struct text_pool_room){0};
}

static int make_room(struct text_pool_room *r, int64_t count) {
    struct device *device = r->device;
    if (count <= r->capacity) return STATUS_OK;
    text_pool_room_free(r);
    *r = (struct text_pool_room){.device = device, .capacity = count + count / 4};
    r->mean = device_alloc_reals(device, r->capacity);
    r->cls = device_alloc_reals(device, r->capacity);
    return device_status(device);
}

int text_pool(struct text_pool_room *room, enum text_pooling pooling, int64_t n_texts, int64_t n_tokens, int64_t dim,
              const struct bert_hidden *hidden) {
    struct device *d = room->device;
    struct ragged texts = {n_texts, n_tokens, hidden->offsets};
    if (pooling == POOL_CLS) return STATUS_OK;
    TRY(make_room(room, n_texts * dim));
    d->run->segment_mean(d, texts, dim, hidden->rows, room->mean);
    d->run->gather_rows(d, n_texts, dim, hidden->rows, hidden->offsets, room->cls);
    d->run->axpy(d, n_texts * dim, -1, room->cls, room->mean);
    d->run->scatter_add_rows(d, n_texts, dim, room->mean, hidden->offsets, hidden->rows);
    return device_status(d);
}
