/* score, of predictions of many classes (ingest/class_predictions.h): all ranks read, and share out the resamples. */
#include <math.h>

#include "base/log.h"
#include "base/output.h"
#include "base/status.h"
#include "ingest/class_predictions.h"
#include "jobs.h"
#include "measure/class_comparison.h"

enum { SCORED, TUNING, N_ROLES };

static struct class_predictions predictions_of(const struct class_rows *rows) {
    return (struct class_predictions){.form = rows->form,
                                      .n = rows->samples.n,
                                      .n_classes = rows->names.n,
                                      .subject = rows->subject,
                                      .scores = rows->scores,
                                      .label = rows->label,
                                      .set_offsets = rows->set_offsets,
                                      .set = rows->set,
                                      .threshold = NAN};
}

/* rows [arm][role]; a file that is not named stays empty. */
static int read_arms(const struct score_options *o, struct class_rows rows[2][N_ROLES]) {
    const char *const paths[2][N_ROLES] = {{o->predictions, o->tuning}, {o->against, o->against_tuning}};
    enum label_form form = o->classes == CLASSES_ANY ? LABEL_SET : LABEL_CLASS;
    if (form == LABEL_CLASS && (o->tuning[0] || o->against_tuning[0]))
        return status_set(STATUS_USAGE,
                          "score.tuning: a sample that has one class has that with the highest score, whatever the "
                          "threshold; of any number of classes set score.classes=any");
    for (int a = 0; a < 2; a++)
        for (int r = 0; r < N_ROLES; r++) {
            if (!paths[a][r][0]) continue;
            TRY(class_predictions_read(&rows[a][r], paths[a][r], form));
            log_info("%s: %lld samples, %d classes", paths[a][r], rows[a][r].samples.n, rows[a][r].names.n);
        }
    if (o->against[0]) TRY(class_predictions_match(&rows[0][SCORED], &rows[1][SCORED]));
    for (int a = 0; a < 2; a++) TRY(predictions_check_apart(&rows[a][TUNING].samples, &rows[a][SCORED].samples));
    return STATUS_OK;
}

static int make_arms(struct class_rows rows[2][N_ROLES], struct class_comparison *c) {
    for (int a = 0; a < c->n_arms; a++) {
        struct class_predictions *scored = &c->arms[a].predictions;
        c->arms[a].name = rows[a][SCORED].samples.path;
        *scored = predictions_of(&rows[a][SCORED]);
        if (rows[a][TUNING].samples.n == 0) continue;
        struct class_predictions tuning = predictions_of(&rows[a][TUNING]);
        TRY(class_scores_choose_threshold(&tuning, &scored->threshold));
    }
    c->class_names = rows[0][SCORED].names.items;
    return STATUS_OK;
}

static int report(const struct class_comparison *c, const struct bootstrap *bootstrap, const char *path) {
    class_comparison_print(c, bootstrap);
    TRY(output_flush());
    TRY(class_comparison_write(c, bootstrap, path));
    log_info("wrote %s", path);
    return STATUS_OK;
}

int score_classes(const struct config *config, struct bootstrap *bootstrap) {
    const struct score_options *o = &config->score;
    const struct comm *comm = bootstrap->comm;
    struct class_rows rows[2][N_ROLES] = {{{.form = LABEL_CLASS}}};
    struct class_comparison c = {.n_arms = o->against[0] ? 2 : 1};
    struct progress progress;
    int status = read_arms(o, rows);
    if (status == STATUS_OK) status = make_arms(rows, &c);
    status = comm_agree(comm, status);
    if (status == STATUS_OK) {
        progress_begin(&progress, "intervals", (2 * c.n_arms - 1) * bootstrap->resamples, "resamples");
        bootstrap->progress = &progress;
        status = class_comparison_compute(&c, bootstrap);
        bootstrap->progress = NULL;
        if (status == STATUS_OK) progress_end(&progress, progress.done);
        status = comm_agree(comm, status == STATUS_OK && comm->rank == 0 ? report(&c, bootstrap, o->report) : status);
    }
    class_comparison_free(&c);
    for (int a = 0; a < 2; a++)
        for (int r = 0; r < N_ROLES; r++) class_predictions_free(&rows[a][r]);
    return status;
}
