#include "ehr/batch.h"

#include "base/status.h"

/* Of a sample of the task; or -1 in all columns. */
static void set_labels(const struct ehr_task *task, const struct sample_set *set, int64_t i, int is_of_task,
                       int32_t *label) {
    if (task->form != LABEL_SET) {
        label[0] = is_of_task ? set->label[i] : -1;
        return;
    }
    for (int32_t k = 0; k < task->n_classes; k++) label[k] = is_of_task ? 0 : -1;
    for (int64_t k = set->set_offsets[i]; k < set->set_offsets[i + 1] && is_of_task; k++) label[set->set[k]] = 1;
}

static int pack_labels(struct ehr_batch *b, struct pack *pack, const struct ehr_data *data) {
    for (int64_t t = 0; t < data->n_tasks; t++) {
        const struct ehr_task *task = &data->tasks[t];
        int64_t columns = task->form == LABEL_SET ? task->n_classes : 1;
        int32_t *labels;
        TRY(pack_ints(pack, b->n * columns, &labels, &b->labels[t]));
        for (int64_t i = 0; i < b->n; i++)
            set_labels(task, b->set, b->which[i], b->set->task[b->which[i]] == t, labels + i * columns);
    }
    return STATUS_OK;
}

int ehr_batch_pack(struct ehr_batch *b, struct pack *pack, const struct ehr_data *data, const struct sample_set *set,
                   int64_t n, const int64_t *which) {
    int32_t *each, *keys;
    b->n = n;
    b->set = set;
    b->which = which;
    b->each.rows.n = b->each.rows.n_rows = n;
    TRY(pack_ints(pack, n + 1, &each, &b->each.rows.offsets));
    TRY(pack_ints(pack, n, &keys, &b->each.keys));
    for (int64_t i = 0; i < n; i++) keys[i] = (int32_t)set->number[which[i]];
    for (int64_t i = 0; i <= n; i++) each[i] = (int32_t)i;
    return pack_labels(b, pack, data);
}
