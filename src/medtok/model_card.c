/* One function a section. */
#include "medtok/model_card.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "measure/probe_heading.h"

/* ---- counts ---- */
int card_counts_make(struct card_counts *c, const struct table *table) {
    *c = (struct card_counts){.n_systems = 0};
    for (int g = 0; g < TABLE_GROUPS; g++) TRY(mem_alloc(&c->used[g], table->shape.codebook_size, 1));
    return STATUS_OK;
}

void card_counts_free(struct card_counts *c) {
    for (int g = 0; g < TABLE_GROUPS; g++) free(c->used[g]);
    *c = (struct card_counts){.n_systems = 0};
}

static const char *system_of(const struct table *t, int64_t row) { return t->system + row * t->system_bytes; }
static const char *code_of(const struct table *t, int64_t row) { return t->code + row * t->code_bytes; }

static struct card_system *find_system(struct card_counts *c, const char *name) {
    for (int i = c->n_systems - 1; i >= 0; i--)
        if (strcmp(c->systems[i].name, name) == 0) return &c->systems[i];
    if (c->n_systems == CARD_MOST_SYSTEMS) return NULL;
    c->systems[c->n_systems].name = name;
    return &c->systems[c->n_systems++];
}

void card_counts_add(struct card_counts *c, const struct table *t, int64_t first, int64_t count,
                     const int32_t *tokens) {
    int64_t k = t->shape.top_k;
    for (int64_t i = 0; i < count; i++) {
        const int32_t *row = tokens + i * TABLE_GROUPS * k;
        struct card_system *system = find_system(c, system_of(t, first + i));
        if (system) {
            system->codes++;
            system->with_text += row[0] >= 0;
            system->with_graph += row[k] >= 0;
        }
        for (int64_t j = 0; j < TABLE_GROUPS * k; j++)
            if (row[j] >= 0 && row[j] < t->shape.codebook_size) c->used[j / k][row[j]] = 1;
    }
}

/* ---- Markdown ---- */
/* In a cell of a table. */
static void cell(FILE *out, const char *text) {
    fputs(" ", out);
    for (; *text; text++)
        if (*text == '|')
            fputs("\\|", out);
        else
            fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
    fputs(" |", out);
}

/* As a scalar of YAML in double quotes. */
static void quoted(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
    }
    fputc('"', out);
}

/* In a heading, nothing of it being markup. */
static void plain(FILE *out, const char *text) {
    for (; *text; text++) {
        if (strchr("\\`*_[]<>#&~$", *text)) fputc('\\', out);
        fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
    }
}

static void write_header(const struct model_card *card, FILE *out) {
    fputs(
        "---\nlibrary_name: transformers\npipeline_tag: feature-extraction\nlicense: other\n"
        "tags:\n- medtok\n- medical-codes\n- knowledge-graph\n- vector-quantization\n- feature-extraction\n",
        out);
    for (int i = 0; i < card->counts->n_systems; i++) {
        fputs("- ", out);
        quoted(out, card->counts->systems[i].name);
        fputs("\n", out);
    }
    fputs("---\n\n", out);
}

static void write_summary(const struct model_card *card, FILE *out) {
    const struct table_shape *s = &card->table->shape;
    char graph[64] = "";
    if (s->graph_weight != 1)
        snprintf(graph, sizeof graph, ", those of the graph's two groups times %g", s->graph_weight);
    fprintf(out,
            "# MedTok tokens of %lld medical codes\n\n"
            "Each code has %d groups of %lld tokens, which are rows of one codebook of %lld vectors of %lld values: "
            "tokens of its "
            "description, tokens of its neighbourhood in a knowledge graph, and tokens that the two share. A code's "
            "vector (%lld values) is, "
            "for each group, the sum of its rows by their weights%s. The method is that of *Multimodal Medical Code "
            "Tokenizer* (MedTok, "
            "[arXiv:2502.04397](https://arxiv.org/abs/2502.04397)), computed by `medtok`, a program of its own.\n\n",
            (long long)s->n_codes, TABLE_GROUPS, (long long)s->top_k, (long long)s->codebook_size, (long long)s->dim,
            (long long)(TABLE_GROUPS * s->dim), graph);
}

static void write_use(const struct model_card *card, FILE *out) {
    const struct table *t = card->table;
    int64_t last = t->shape.n_codes - 1, picks = TABLE_GROUPS * t->shape.top_k;
    if (last < 0) return;
    fprintf(out,
            "## Use\n\n```python\nfrom transformers import AutoModel, AutoTokenizer\n\n"
            "model = AutoModel.from_pretrained(FOLDER, trust_remote_code=True)\n"
            "found = model.lookup([\"%s:%s\", \"%s:%s\"])\n"
            "found.tokens      # [2, %d, %lld] rows of the codebook, -1 where a group is absent\n"
            "found.weights     # [2, %d, %lld]\n"
            "found.embeddings  # [2, %lld]\n\n"
            "tokenizer = AutoTokenizer.from_pretrained(FOLDER, trust_remote_code=True)\n"
            "batch = tokenizer([[\"%s:%s\", \"%s:%s\"], [\"%s:%s\"]], padding=True, return_tensors=\"pt\")  # two "
            "histories\n"
            "model(**batch).last_hidden_state  # [2, 2, %lld], with gradients to the codebook\n```\n\n"
            "Tested with transformers 4.57 and 5.24.\n\n",
            system_of(t, 0), code_of(t, 0), system_of(t, last), code_of(t, last), TABLE_GROUPS,
            (long long)t->shape.top_k, TABLE_GROUPS, (long long)t->shape.top_k,
            (long long)(TABLE_GROUPS * t->shape.dim), system_of(t, 0), code_of(t, 0), system_of(t, last),
            code_of(t, last), system_of(t, last), code_of(t, last), (long long)(TABLE_GROUPS * t->shape.dim));
    fprintf(out,
            "A code is worth %lld ids of the tokenizer: token numbers, and %lld (`tokenizer.pad_token_id`) where a "
            "group is absent. `codes.tsv` "
            "lists the codes. The system may be left out where one code alone is meant, and case, blanks, dots and "
            "dashes do not count unless "
            "they tell codes apart. A code that is not there is an error that names those spelled most like it; with "
            "`missing=\"absent\"` all "
            "its tokens are absent and its vector is 0.\n\n",
            (long long)picks, (long long)t->shape.codebook_size);
}

static void write_contents(const struct model_card *card, FILE *out) {
    const struct table_shape *s = &card->table->shape;
    fputs("## Contents\n\n| system | codes | with text tokens | with graph tokens |\n|---|---:|---:|---:|\n", out);
    for (int i = 0; i < card->counts->n_systems; i++) {
        const struct card_system *c = &card->counts->systems[i];
        fputs("|", out);
        cell(out, c->name);
        fprintf(out, " %lld | %lld | %lld |\n", (long long)c->codes, (long long)c->with_text, (long long)c->with_graph);
    }
    fputs("\n| group | rows of the codebook | of these in use |\n|---|---:|---:|\n", out);
    for (int g = 0; g < TABLE_GROUPS; g++) {
        int64_t first = s->region[g][0], end = s->region[g][1], used = 0;
        for (int64_t r = first; r < end && r < s->codebook_size; r++) used += card->counts->used[g][r];
        fprintf(out, "| %s | %lld to %lld | %.1f %% |\n", TABLE_GROUP_NAMES[g], (long long)first, (long long)end - 1,
                end > first ? 100 * (double)used / (double)(end - first) : 0.0);
    }
    fputs(s->residual
              ? "\nThe tokens of a group are one row of each of equal parts of its rows, each the nearest to what "
                "those before it leave; the "
                "squares of the weights sum to 1 at most.\n\n"
          : s->sparse
              ? "\nThe tokens of a group are rows near the code that explain it best by a sum, heaviest first; their "
                "weights "
                "are those of least squares.\n\n"
              : "\nThe tokens of a group are the rows nearest to the code, nearest first; their weights sum to 1.\n\n",
          out);
    if (s->vocabulary_rows < s->n_codes)
        fprintf(out, "%lld of the codes are new: the model was not trained on them.\n\n",
                (long long)(s->n_codes - s->vocabulary_rows));
}

/* ---- probes: {"probed_table", "probes": {QUESTION: {"seen", "of_hierarchy", "figures": {SPACE: {METRIC: {"value", "low",
 * "high"}}}}}} ---- */
static void write_figure(FILE *out, json_t *figure) {
    json_t *value = json_object_get(figure, "value");
    if (json_is_number(value))
        fprintf(out, " %.3f (%.3f to %.3f) |", json_number_value(value),
                json_number_value(json_object_get(figure, "low")), json_number_value(json_object_get(figure, "high")));
    else
        fputs(" |", out);
}

/* The heading says what training saw: such a figure tells what was kept. */
static void write_metric(FILE *out, const json_t *question, const char *metric) {
    char heading[PROBE_HEADING_BYTES];
    double seen = json_number_value(json_object_get(json_object_get(question, "seen"), metric));
    probe_heading(metric, seen, json_integer_value(json_object_get(question, "of_hierarchy")) != 0, heading);
    cell(out, heading);
}

static void write_question(FILE *out, const char *name, json_t *question) {
    const char *space, *metric;
    json_t *spaces = json_object_get(question, "figures"), *figures, *figure;
    json_t *first = json_object_iter_value(json_object_iter(spaces));
    if (json_object_size(first) == 0) return;
    fputs("### ", out);
    plain(out, name);
    fputs("\n\n| by |", out);
    json_object_foreach(first, metric, figure) write_metric(out, question, metric);
    fputs("\n|---|", out);
    for (size_t i = 0; i < json_object_size(first); i++) fputs("---|", out);
    fputs("\n", out);
    json_object_foreach(spaces, space, figures) {
        fputs("|", out);
        cell(out, space);
        json_object_foreach(first, metric, figure) write_figure(out, json_object_get(figures, metric));
        fputs("\n", out);
    }
    fputs("\n", out);
}

static void write_questions(const struct model_card *card, FILE *out, json_t *file, const char *table_id) {
    const char *of = json_string_value(json_object_get(file, "probed_table")), *name;
    json_t *question;
    if (!of || strcmp(of, table_id) != 0) {
        log_warn("%s is of another table than %s: its figures are not on the model card", card->probe,
                 h5file_path(card->table->file));
        return;
    }
    fprintf(out,
            "## What the tokens know\n\nMeasured by `medtok probe`, beside the frozen text that they were made from "
            "and quantisers that nobody "
            "trained; intervals of 95 %% from %lld bootstrap resamples.\n\n%s. \\*: %s.\n\n",
            (long long)json_integer_value(json_object_get(file, "resamples")), PROBE_SEEN_LEGEND,
            PROBE_HIERARCHY_LEGEND);
    json_object_foreach(json_object_get(file, "probes"), name, question) write_question(out, name, question);
}

static int write_probes(const struct model_card *card, FILE *out, const char *table_id) {
    json_error_t error;
    if (!card->probe[0] || access(card->probe, F_OK)) return STATUS_OK;
    json_t *file = json_load_file(card->probe, 0, &error);
    if (!file) return status_set(STATUS_FAILED, "%s:%d: %s", card->probe, error.line, error.text);
    write_questions(card, out, file, table_id);
    json_decref(file);
    return STATUS_OK;
}

/* ---- provenance ---- */
static int write_fact(const struct model_card *card, FILE *out, const char *attribute, const char *label) {
    char *value = NULL;
    int status = h5file_get_text(card->table->file, attribute, &value);
    if (status == STATUS_OK) {
        fprintf(out, "| %s |", label);
        cell(out, value);
        fputs("\n", out);
    }
    free(value);
    return status;
}

/* Lines `role<TAB>path<TAB>checksum`; of a path only the name, since folders may tell of the machine. */
static int write_inputs(FILE *out, struct h5file *file, const char *what) {
    char *inputs = NULL, *rest = NULL;
    TRY(h5file_get_text(file, "inputs", &inputs));
    fprintf(out, "\nInputs of %s:\n\n| role | file | checksum |\n|---|---|---|\n", what);
    for (char *line = strtok_r(inputs, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *path = strchr(line, '\t'), *sum = path ? strchr(path + 1, '\t') : NULL;
        if (!sum) continue;
        *path++ = 0;
        *sum++ = 0;
        fputs("|", out);
        cell(out, line);
        cell(out, strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
        cell(out, sum);
        fputs("\n", out);
    }
    free(inputs);
    return STATUS_OK;
}

static int write_settings(FILE *out, struct h5file *file, const char *what) {
    char *settings = NULL;
    TRY(h5file_get_text(file, "config", &settings));
    fprintf(out, "\n<details><summary>Settings of %s</summary>\n\n```yaml\n%s%s```\n\n</details>\n", what, settings,
            settings[0] && settings[strlen(settings) - 1] != '\n' ? "\n" : "");
    free(settings);
    return STATUS_OK;
}

/* The training's settings and inputs, where its checkpoint is at hand. */
static int write_training(const struct model_card *card, FILE *out, const char *checkpoint_id) {
    struct h5file *file = NULL;
    char *id = NULL;
    int status;
    if (!card->checkpoint[0] || access(card->checkpoint, F_OK)) return STATUS_OK;
    TRY_DONE(h5file_open(&file, card->checkpoint, KIND_CHECKPOINT));
    TRY_DONE(h5file_get_text(file, "content_id", &id));
    if (strcmp(id, checkpoint_id) != 0) {
        log_warn("%s is another checkpoint than that of %s: the settings of the training are not on the model card",
                 card->checkpoint, h5file_path(card->table->file));
        goto done;
    }
    TRY_DONE(write_inputs(out, file, "the training"));
    TRY_DONE(write_settings(out, file, "the training"));
done:
    free(id);
    h5file_close(file);
    return status;
}

static int write_provenance(const struct model_card *card, FILE *out) {
    struct h5file *file = card->table->file;
    char *checkpoint_id = NULL;
    int64_t step;
    TRY(h5file_get_int(file, "step", &step));
    fputs("## Provenance\n\n| | |\n|---|---|\n", out);
    TRY(write_fact(card, out, "program_version", "medtok"));
    TRY(write_fact(card, out, "created", "table made"));
    TRY(write_fact(card, out, "content_id", "content of the table (XXH3-128)"));
    TRY(write_fact(card, out, "vocabulary_id", "of the vocabulary"));
    TRY(write_fact(card, out, "checkpoint_id", "of the checkpoint"));
    fprintf(out,
            "| steps of training | %lld |\n| version of the table | %lld |\n| `model.safetensors` (SHA-256) | %s |\n",
            (long long)step, (long long)card->table->shape.table_version, card->weights_sha256);
    TRY(write_inputs(out, file, "the table"));
    TRY(write_settings(out, file, "the table"));
    TRY(h5file_get_text(file, "checkpoint_id", &checkpoint_id));
    int status = write_training(card, out, checkpoint_id);
    free(checkpoint_id);
    return status;
}

static void write_limits(FILE *out) {
    fputs(
        "\n## Limits\n\n"
        "The vectors say what descriptions and a knowledge graph say of codes, not how codes are used or what becomes "
        "of patients; whoever "
        "builds on them must evaluate on the own data. Token numbers mean something within one training alone, and "
        "within those that go on "
        "from it (`medtok train --from`). The terms of use of the code systems, the graph and the text encoder hold "
        "for what was made from "
        "them: `license: other` stands for those terms, which this card does not know.\n",
        out);
}

int model_card_write(const struct model_card *card, FILE *out) {
    char *table_id = NULL;
    TRY(h5file_get_text(card->table->file, "content_id", &table_id));
    write_header(card, out);
    write_summary(card, out);
    write_use(card, out);
    write_contents(card, out);
    int status = write_probes(card, out, table_id);
    free(table_id);
    if (status == STATUS_OK) status = write_provenance(card, out);
    write_limits(out);
    return status;
}
