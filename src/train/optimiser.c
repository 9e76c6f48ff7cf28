/* Memory of the moments, and calls over runs of neighbouring parameters. */
#include "train/optimiser.h"

#include "base/status.h"

static dev_real part_of(dev_real all, int64_t offset) { return all.at ? dev_real_at(all, offset) : all; }

static int is_trained(enum parameter_group group) { return group != PARAMETERS_FROZEN; }

int optimiser_make(struct optimiser *o, struct parameter_set *parameters, const struct train_options *options) {
    struct device *d = parameters->device;
    *o = (struct optimiser){
        .parameters = parameters,
        .adam = {.beta1 = options->beta1, .beta2 = options->beta2, .epsilon = options->epsilon},
        .weight_decay = options->weight_decay,
        .average = options->average,
        .constants = device_alloc_reals(d, N_UPDATE_CONSTANTS),
    };
    for (int g = 0; g < N_PARAMETER_GROUPS; g++) {
        const struct parameter_stretch *s = &parameters->group[g];
        if (!is_trained((enum parameter_group)g)) continue;
        dev_real *kept[] = {&o->group[g].m, &o->group[g].v, &o->group[g].average};
        for (int i = 0; i < (o->average > 0 ? 3 : 2); i++) {
            *kept[i] = device_alloc_reals(d, s->n);
            if (!device_error(d)) d->run->fill(d, s->n, 0, *kept[i]);
        }
        if (o->average > 0 && !device_error(d)) d->run->axpy(d, s->n, 1, s->value, o->group[g].average);
    }
    if (device_error(d)) return status_set(STATUS_FAILED, "device %s: moments: %s", d->name, device_error(d));
    return STATUS_OK;
}

void optimiser_free(struct optimiser *o) {
    if (!o->parameters) return;
    struct device *d = o->parameters->device;
    for (int g = 0; g < N_PARAMETER_GROUPS; g++) {
        device_free_reals(d, o->group[g].m);
        device_free_reals(d, o->group[g].v);
        device_free_reals(d, o->group[g].average);
    }
    device_free_reals(d, o->constants);
    *o = (struct optimiser){0};
}

struct moments optimiser_moments(const struct optimiser *o, const struct parameter *p) {
    const struct moments *all = &o->group[p->group];
    return (struct moments){part_of(all->m, p->offset), part_of(all->v, p->offset), part_of(all->average, p->offset)};
}

/* ---- updates ---- */
void optimiser_begin_update(struct optimiser *o, double rate, int64_t step, double mean, double clip) {
    double warm = (1 + (double)step) / (10 + (double)step);
    real constants[N_UPDATE_CONSTANTS];
    adam_constants(o->adam, rate, step, mean * clip, constants);
    adam_constants(o->adam, rate * o->parameters->apart_rate, step, mean, constants + CONSTANTS_APART);
    constants[CONSTANT_KEEP] = (real)(o->average < warm ? o->average : warm);
    device_upload_reals(o->parameters->device, o->constants, constants, N_UPDATE_CONSTANTS);
}

/* Whether two parameters are updated alike, so that one call may do both. */
static int alike(const struct optimiser *o, const struct parameter *a, const struct parameter *b) {
    unsigned differ = a->flags ^ b->flags;
    return !(differ & (PARAMETER_SELF_MOVED | PARAMETER_APART)) &&
           (o->weight_decay == 0 || !(differ & PARAMETER_DECAYS));
}

/* The next parameter of the group from `i` on in the order of adding; the number of all: none. */
static int next_of(const struct parameter_set *set, enum parameter_group group, int i) {
    while (i < set->n && set->list[i]->group != group) i++;
    return i;
}

/* Values first .. first + n - 1 of a group. */
static void update_values(struct optimiser *o, enum parameter_group group, const struct adam *adam, dev_real constants,
                          int64_t first, int64_t n) {
    const struct parameter_stretch *s = &o->parameters->group[group];
    struct device *d = o->parameters->device;
    struct adam_state state = {dev_real_at(s->value, first), dev_real_at(o->group[group].m, first),
                               dev_real_at(o->group[group].v, first)};
    d->run->adam(d, n, *adam, constants, dev_real_at(s->grad, first), state);
}

/* What of them this rank updates. */
static void update_share(struct optimiser *o, enum parameter_group group, const struct adam *adam, dev_real constants,
                         int64_t first, int64_t n) {
    if (group != PARAMETERS_DENSE || !o->n_parts) update_values(o, group, adam, constants, first, n);
    for (int i = 0; group == PARAMETERS_DENSE && i < o->n_parts; i++) {
        const struct value_range *part = &o->parts[i];
        int64_t from = part->first > first ? part->first : first;
        int64_t end = part->first + part->n < first + n ? part->first + part->n : first + n;
        if (end > from) update_values(o, group, adam, constants, from, end - from);
    }
}

static void update_group(struct optimiser *o, enum parameter_group group) {
    const struct parameter_set *set = o->parameters;
    for (int i = next_of(set, group, 0), end; i < set->n; i = end) {
        const struct parameter *first = set->list[i];
        struct adam adam = o->adam;
        int64_t n = first->count * first->cols;
        for (end = next_of(set, group, i + 1); end < set->n && alike(o, first, set->list[end]);
             end = next_of(set, group, end + 1))
            n += set->list[end]->count * set->list[end]->cols;
        if (first->flags & PARAMETER_SELF_MOVED) continue;
        adam.weight_decay = first->flags & PARAMETER_DECAYS ? o->weight_decay : 0;
        dev_real constants = dev_real_at(o->constants, first->flags & PARAMETER_APART ? CONSTANTS_APART : 0);
        update_share(o, group, &adam, constants, first->offset, n);
    }
}

void optimiser_update(struct optimiser *o) {
    for (int g = 0; g < N_PARAMETER_GROUPS; g++)
        if (is_trained((enum parameter_group)g)) update_group(o, (enum parameter_group)g);
}

void optimiser_average(struct optimiser *o) {
    struct device *d = o->parameters->device;
    dev_real keep = dev_real_at(o->constants, CONSTANT_KEEP);
    for (int g = 0; g < N_PARAMETER_GROUPS; g++) {
        const struct parameter_stretch *s = &o->parameters->group[g];
        if (o->group[g].average.at) d->run->blend(d, s->n, keep, s->value, o->group[g].average);
    }
}

void optimiser_swap_averages(struct optimiser *o) {
    for (int g = 0; g < N_PARAMETER_GROUPS; g++) {
        struct parameter_stretch *s = &o->parameters->group[g];
        dev_real value = s->value;
        if (!o->group[g].average.at) continue;
        s->value = o->group[g].average;
        o->group[g].average = value;
    }
    for (int i = 0; i < o->parameters->n; i++) {
        struct parameter *p = o->parameters->list[i];
        p->value = part_of(o->parameters->group[p->group].value, p->offset);
    }
}

void optimiser_set_rows(struct optimiser *o, const struct parameter *p, int64_t first, int64_t n, const real *values) {
    struct device *d = o->parameters->device;
    struct moments kept = optimiser_moments(o, p);
    int64_t offset = first * p->cols, count = n * p->cols;
    device_upload_reals(d, dev_real_at(p->value, offset), values, count);
    if (kept.average.at) device_upload_reals(d, dev_real_at(kept.average, offset), values, count);
    if (!kept.m.at) return;
    d->run->fill(d, count, 0, dev_real_at(kept.m, offset));
    d->run->fill(d, count, 0, dev_real_at(kept.v, offset));
}
