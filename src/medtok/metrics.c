/* JSON lines and log lines, from rank 0. */
#include "medtok/metrics.h"

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

/* Step number of a metrics line, or -1. */
static long long line_step(const char *line) {
    long long step;
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

int metrics_open(struct metrics *m, const struct trainer *t, const char *path) {
    *m = (struct metrics){.log_every = t->config->train.log_every, .last_step = t->step};
    int status = usage_make(&m->window, t->usage.codebook_size, t->usage.regions);
    if (status == STATUS_OK && !(m->path = strdup(path))) status = status_set(STATUS_FAILED, "out of memory");
    if (status == STATUS_OK && t->comm->rank == 0) status = open_file(m, t->step);
    m->last_time = clock_seconds();
    return comm_agree(t->comm, status);
}

static void log_step(struct metrics *m, const struct trainer *t, const struct step_report *r) {
    char usage[256] = "";
    size_t used = 0;
    for (int i = 0; i < N_USAGE_REGIONS; i++) {
        struct usage_measure u = usage_measure(&m->window, i);
        used += (size_t)snprintf(usage + used, sizeof usage - used, ", %s %.1f %% (%.0f)", USAGE_REGION_NAMES[i],
                                 100 * u.share, u.perplexity);
    }
    double now = clock_seconds(), rate = (double)m->codes / (now - m->last_time);
    double seconds_left =
        (double)(t->config->train.steps - t->step) * (now - m->last_time) / (double)(t->step - m->last_step);
    char revived[64] = "";
    if (t->config->quantizer.revive_after)
        snprintf(revived, sizeof revived, ", %lld rows revived", (long long)m->revived);
    log_info(
        "step %lld/%lld: loss %.4f, gradient %.3g (clipped in %.0f %%), rate %.3g, usage (perplexity)%s%s; "
        "%.0f codes/s, %.0f s left",
        (long long)t->step, (long long)t->config->train.steps, r->loss, r->gradient_norm,
        100 * (double)m->clipped / (double)(t->step - m->last_step), r->rate, usage + 1, revived, rate, seconds_left);
    m->last_time = now;
    m->last_step = t->step;
    m->codes = m->clipped = m->revived = 0;
    usage_clear(&m->window);
}

int metrics_step(struct metrics *m, const struct trainer *t, const struct step_report *r) {
    if (!m->file) return STATUS_OK;
    fprintf(m->file, "{\"step\": %lld, \"codes\": %lld, \"loss\": %.9g", (long long)t->step, (long long)r->n_codes,
            r->loss);
    for (int i = 0; i < N_TERMS; i++) fprintf(m->file, ", \"%s\": %.9g", LOSS_TERM_NAMES[i], r->terms[i]);
    for (int g = 0; g < N_GROUPS; g++) fprintf(m->file, ", \"length%s\": %.6g", LOSS_TERM_NAMES[g] + 8, r->length[g]);
    fprintf(m->file, ", \"gradient_norm\": %.9g, \"gradient_scale\": %.9g, \"rate\": %.9g, \"revived\": %lld",
            r->gradient_norm, r->gradient_scale, r->rate, (long long)r->n_revived);
    for (int i = 0; i < N_USAGE_REGIONS; i++) {
        struct usage_measure u = usage_measure(&t->usage, i);
        fprintf(m->file, ", \"usage_%s\": %.6g, \"perplexity_%s\": %.6g", USAGE_REGION_NAMES[i], u.share,
                USAGE_REGION_NAMES[i], u.perplexity);
    }
    fprintf(m->file, "}\n");
    m->codes += r->n_codes;
    m->clipped += r->gradient_scale < 1;
    m->revived += r->n_revived;
    usage_merge(&m->window, &t->usage);
    if (t->step % m->log_every == 0 || t->step == t->config->train.steps) {
        log_step(m, t, r);
        if (fflush(m->file)) return write_failed(m);
    }
    return ferror(m->file) ? write_failed(m) : STATUS_OK;
}

int metrics_quality(struct metrics *m, const struct trainer *t, const struct quality *q, double seconds) {
    char summary[512];
    m->last_time += seconds; /* the rate in log lines is that of training */
    if (!m->file) return STATUS_OK;
    struct json j = json_begin(m->file, 0);
    json_object(&j, NULL);
    json_integer(&j, "eval_step", t->step);
    quality_write_json(&j, q);
    json_end(&j);
    fputc('\n', m->file);
    quality_summarize(q, summary, sizeof summary);
    log_info("held-out codes at step %lld: %s; %.1f s", (long long)t->step, summary, seconds);
    return fflush(m->file) || ferror(m->file) ? write_failed(m) : STATUS_OK;
}

int metrics_close(struct metrics *m) {
    int status = STATUS_OK;
    if (m->file && fclose(m->file)) status = write_failed(m);
    free(m->path);
    usage_free(&m->window);
    *m = (struct metrics){0};
    return status;
}
