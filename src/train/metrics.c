/* JSON lines and log lines, from rank 0. */
#include "train/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/status.h"

static int write_failed(const struct metrics *m) {
    return status_set(STATUS_FAILED, "%s: %s", m->path, strerror(errno));
}

/* Step number of a metrics line, or -1; a line that was not finished is none. */
static long long line_step(const char *line) {
    long long step;
    if (!strchr(line, '\n')) return -1;
    return sscanf(line, "{\"step\": %lld", &step) == 1 || sscanf(line, "{\"eval_step\": %lld", &step) == 1 ? step : -1;
}

/* Cuts the file behind the line of `step`: what an interrupted run wrote after its last checkpoint comes again. */
static int keep_until(struct metrics *m, int64_t step) {
    char *line = NULL;
    size_t size = 0;
    long end = 0;
    while (getline(&line, &size, m->file) > 0 && line_step(line) >= 0 && line_step(line) <= step) end = ftell(m->file);
    free(line);
    if (fseek(m->file, end, SEEK_SET) || ftruncate(fileno(m->file), end)) return write_failed(m);
    return STATUS_OK;
}

static int open_file(struct metrics *m, int64_t step) {
    TRY(path_make_folder_of(m->path));
    m->file = fopen(m->path, step > 0 ? "r+" : "w");
    if (!m->file && errno == ENOENT) m->file = fopen(m->path, "w");
    if (!m->file) return write_failed(m);
    return step > 0 ? keep_until(m, step) : STATUS_OK;
}

int64_t metrics_line_bytes(const struct learner *l) {
    enum { OWN = 240, NUMBER = 36, LEARNERS = 8 }; /* LEARNERS: measures that it may add */
    return OWN + NUMBER * (l->n_terms + l->n_lengths + LEARNERS);
}

int metrics_open(struct metrics *m, const struct training *t, const char *path) {
    *m = (struct metrics){.last_step = t->state.step};
    int status = (m->path = strdup(path)) ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
    if (status == STATUS_OK && t->comm->rank == 0) status = open_file(m, t->state.step);
    m->last_time = clock_seconds();
    return comm_agree(t->comm, status);
}

static void log_step(struct metrics *m, const struct training *t, const struct step_report *r) {
    const struct learner *l = t->learner;
    long long step = t->state.step, steps = t->options->steps, since = step - m->last_step;
    char learners[512] = "";
    if (l->describe) l->describe(l->self, learners, sizeof learners);
    double seconds = clock_seconds() - m->last_time;
    log_info("step %lld/%lld: loss %.4f, gradient %.3g (clipped in %.0f %%), rate %.3g%s%s; %.0f %s/s, %.0f s left",
             step, steps, r->loss, r->gradient_norm, 100 * (double)m->clipped / (double)since, r->rate,
             learners[0] ? ", " : "", learners, (double)m->samples / seconds, l->samples,
             (double)(steps - step) * seconds / (double)since);
    m->last_time += seconds;
    m->last_step = step;
    m->samples = m->clipped = 0;
}

int metrics_step(struct metrics *m, const struct training *t, const struct step_report *r) {
    const struct learner *l = t->learner;
    if (!m->file) return r->measures->status;
    struct json j = json_begin(m->file, 0);
    json_object(&j, NULL);
    json_integer(&j, "step", t->state.step);
    json_integer(&j, l->samples, r->samples);
    json_real(&j, "loss", r->loss, 9);
    for (int i = 0; i < l->n_terms; i++) json_real(&j, l->terms[i], r->terms[i], 9);
    for (int i = 0; i < l->n_lengths; i++) json_real(&j, l->lengths[i].column, r->lengths[i], 6);
    json_real(&j, "gradient_norm", r->gradient_norm, 9);
    json_real(&j, "gradient_scale", r->gradient_scale, 9);
    json_real(&j, "rate", r->rate, 9);
    measures_write_json(&j, r->measures);
    json_end(&j);
    fputc('\n', m->file);
    m->samples += r->samples;
    m->clipped += r->gradient_scale < 1;
    if (t->state.step % t->options->log_every == 0 || t->state.step == t->options->steps) {
        log_step(m, t, r);
        TRY(metrics_flush(m));
    }
    return ferror(m->file) ? write_failed(m) : r->measures->status;
}

int metrics_flush(struct metrics *m) {
    if (!m->file) return STATUS_OK;
    if (fflush(m->file)) return write_failed(m);
    errno = EIO; /* of a line before, whose reason is no longer known */
    return ferror(m->file) ? write_failed(m) : STATUS_OK;
}

/* `NAME 0.71, ...` of the measures, unless the learner brought a text. */
static void summarize(const struct measures *measures, char *text, size_t size) {
    size_t used = 0;
    if (measures->summary[0]) {
        snprintf(text, size, "%s", measures->summary);
        return;
    }
    text[0] = 0;
    for (long long i = 0; i < measures->n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s %.4g", i ? ", " : "", measures->list[i].name,
                                 measures->list[i].value);
}

int metrics_evaluation(struct metrics *m, const struct training *t, const struct measures *measures, double seconds) {
    char summary[512];
    m->last_time += seconds; /* the rate in log lines is that of training */
    if (!m->file) return measures->status;
    struct json j = json_begin(m->file, 0);
    json_object(&j, NULL);
    json_integer(&j, "eval_step", t->state.step);
    measures_write_json(&j, measures);
    json_end(&j);
    fputc('\n', m->file);
    summarize(measures, summary, sizeof summary);
    log_info("%s at step %lld: %s; %.1f s", t->learner->evaluated, (long long)t->state.step, summary, seconds);
    return fflush(m->file) || ferror(m->file) ? write_failed(m) : measures->status;
}

int metrics_close(struct metrics *m) {
    int status = STATUS_OK;
    if (m->file && fclose(m->file)) status = write_failed(m);
    free(m->path);
    *m = (struct metrics){0};
    return status;
}
