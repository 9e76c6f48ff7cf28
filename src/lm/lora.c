/* Read lora_add first. */
#include "lm/lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"

const char *const LORA_TARGETS[N_LORA_TARGETS] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                  "gate_proj", "up_proj", "down_proj"};

/* ---- adding ---- */
/* The map of a layer in which target t is outputs first .. first + out - 1. */
static struct linear_map *map_of(const struct llama *m, int64_t layer, int t, int64_t *first, int64_t *out) {
    struct block *b = &m->blocks[layer];
    struct linear_map *maps[N_LORA_TARGETS] = {
        &b->self.query, &b->self.key_value, &b->self.key_value, &b->self.output, &b->gate, &b->up, &b->down};
    *first = t == LORA_V ? maps[t]->weight->rows / 2 : 0;
    *out = t == LORA_K || t == LORA_V ? maps[t]->weight->rows / 2 : maps[t]->weight->rows;
    return maps[t];
}

static struct parameter *add_matrix(struct lora *l, struct parameter_set *set, int64_t rows, int64_t cols, double bound,
                                    int64_t layer, int t, char which) {
    const char *part = t < LORA_GATE ? "self_attn" : "mlp";
    struct parameter *p = parameter_add(set, rows, cols, (struct init){.uniform = bound}, PARAMETER_DECAYS,
                                        "base_model.model.model.layers.%lld.%s.%s.lora_%c.weight", (long long)layer,
                                        part, LORA_TARGETS[t], which);
    return l->parameters[l->n_parameters++] = p;
}

static void add_target(struct lora *l, struct parameter_set *set, int64_t layer, int t) {
    int64_t first, out, rank = l->options.rank;
    struct linear_map *map = map_of(l->llama, layer, t, &first, &out);
    struct adapter *a = &l->adapters[l->n_adapters - 1];
    if (map->adapter != a) { /* values share their map's adapter with keys */
        a = &l->adapters[l->n_adapters++];
        *a = (struct adapter){.scale = l->options.alpha / (double)rank, .dropout = l->options.dropout};
        map->adapter = a;
    }
    int p = a->n++;
    a->parts[p].first = first;
    a->parts[p].stream = RNG_ADAPTER + (uint32_t)(l->n_parameters / 2);
    a->parts[p].a = add_matrix(l, set, rank, map->weight->cols, 1 / sqrt((double)map->weight->cols), layer, t, 'A');
    a->parts[p].b = add_matrix(l, set, out, rank, 0, layer, t, 'B');
}

int lora_add(struct lora *l, struct llama *m, struct parameter_set *set, const struct lora_options *options) {
    int64_t most = m->config.layers * N_LORA_TARGETS;
    *l = (struct lora){.options = *options, .llama = m};
    TRY(mem_alloc(&l->adapters, most + 1, sizeof *l->adapters));
    TRY(mem_alloc(&l->parameters, 2 * most, sizeof(struct parameter *)));
    l->n_adapters = 1; /* adapters[0] is no map's */
    for (int64_t layer = 0; layer < m->config.layers; layer++)
        for (int t = 0; t < N_LORA_TARGETS; t++)
            if (options->targets >> t & 1) add_target(l, set, layer, t);
    return set->status;
}

void lora_free(struct lora *l) {
    int64_t first, out;
    for (int64_t layer = 0; l->llama && l->adapters && layer < l->llama->config.layers; layer++)
        for (int t = 0; t < N_LORA_TARGETS; t++) map_of(l->llama, layer, t, &first, &out)->adapter = NULL;
    free(l->adapters);
    free(l->parameters);
    *l = (struct lora){0};
}
