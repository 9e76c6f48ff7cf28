/* Setting values by key, reading YAML, printing. Every value arrives as text with the place it came from. */
#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#include "base/status.h"
#include "config/schema.h"

/* ---- values ---- */
static void *member(struct config *config, const struct key *key) { return (char *)config + key->offset; }
static const void *member_const(const struct config *config, const struct key *key) {
    return (const char *)config + key->offset;
}

static int wrong_value(const char *place, const struct key *key, const char *value) {
    char allowed[256];
    schema_allowed(key, allowed, sizeof allowed);
    return status_set(STATUS_USAGE, "%s: %s is \"%s\": expected %s", place, key->name, value, allowed);
}

static int set_number(void *to, const char *place, const struct key *key, const char *value) {
    char *end;
    errno = 0;
    if (key->type == KEY_INTEGER) {
        long long n = strtoll(value, &end, 10);
        if (end == value || *end || errno || (double)n < key->least || (double)n > key->most)
            return wrong_value(place, key, value);
        int64_t stored = n;
        memcpy(to, &stored, sizeof stored);
        return STATUS_OK;
    }
    double x = strtod(value, &end);
    if (x == 0 && errno == ERANGE)
        return status_set(STATUS_USAGE, "%s: %s is \"%s\", which is too small a number to be told from 0", place,
                          key->name, value);
    if (end == value || *end || !isfinite(x) || x < key->least || x > key->most) return wrong_value(place, key, value);
    memcpy(to, &x, sizeof x);
    return STATUS_OK;
}

static int choice_number(const struct key *key, const char *value) {
    for (int i = 0; key->choices[i]; i++)
        if (strcmp(key->choices[i], value) == 0) return i;
    return -1;
}

static int set_text(char **to, const char *value) {
    char *copy = strdup(value);
    if (!copy) return status_set(STATUS_FAILED, "out of memory");
    free(*to);
    *to = copy;
    return STATUS_OK;
}

static void list_clear(struct string_list *list) {
    for (int i = 0; i < list->n; i++) free(list->items[i]);
    free(list->items);
    *list = (struct string_list){0};
}

static int list_add(struct string_list *list, const char *value) {
    char **items = realloc(list->items, (size_t)(list->n + 1) * sizeof *items);
    if (!items) return status_set(STATUS_FAILED, "out of memory");
    list->items = items;
    list->items[list->n] = NULL;
    TRY(set_text(&list->items[list->n], value));
    list->n++;
    return STATUS_OK;
}

static int set_scalar(struct config *config, const char *place, const struct key *key, const char *value) {
    void *to = member(config, key);
    if (key->type == KEY_INTEGER || key->type == KEY_REAL) return set_number(to, place, key, value);
    if (key->type == KEY_LIST) { /* a single value is a list of one */
        list_clear(to);
        return value[0] ? list_add(to, value) : STATUS_OK;
    }
    int number = key->choices[0] ? choice_number(key, value) : 0;
    if (number < 0) return wrong_value(place, key, value);
    if (key->type == KEY_TEXT) return set_text(to, value);
    unsigned stored = (unsigned)number; /* enums of the schema are numbered as their choices */
    memcpy(to, &stored, sizeof stored);
    return STATUS_OK;
}

/* Says what may be meant: keys spelled like it, else the keys of its section, else where all keys are listed. */
static int unknown_key(const char *place, const char *name) {
    enum { MOST_NEAR = 3 };
    const struct key *near[MOST_NEAR];
    char section[64], text[1024];
    size_t used = 0;
    if (schema_is_section(name)) {
        schema_section_keys(name, text, sizeof text);
        return status_set(STATUS_USAGE, "%s: %s is a section, which has no value of its own; its keys are %s", place,
                          name, text);
    }
    int n = schema_nearest(name, near, MOST_NEAR);
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " or " : "", near[i]->name);
    if (n > 0) return status_set(STATUS_USAGE, "%s: there is no key %s; did you mean %s?", place, name, text);
    snprintf(section, sizeof section, "%.*s", (int)strcspn(name, "."), name);
    if (!schema_is_section(section))
        return status_set(STATUS_USAGE, "%s: there is no key %s; `medtok JOB --help` lists those of a job", place,
                          name);
    schema_section_keys(section, text, sizeof text);
    return status_set(STATUS_USAGE, "%s: there is no key %s; %s has %s", place, name, section, text);
}

/* ---- defaults ---- */
int config_defaults(struct config *config) {
    *config = (struct config){0};
    for (int i = 0; i < SCHEMA_SIZE; i++)
        if (SCHEMA[i].type != KEY_LIST) TRY(set_scalar(config, "default", &SCHEMA[i], SCHEMA[i].initial));
    return STATUS_OK;
}

void config_free(struct config *config) {
    for (int i = 0; i < SCHEMA_SIZE; i++) {
        if (SCHEMA[i].type == KEY_LIST) list_clear(member(config, &SCHEMA[i]));
        if (SCHEMA[i].type == KEY_TEXT) free(*(char **)member(config, &SCHEMA[i]));
    }
    list_clear(&config->sources);
    *config = (struct config){0};
}

/* ---- YAML ---- */
struct reader {
    struct config *config;
    const char *name; /* of the file */
    yaml_document_t *document;
    unsigned char *seen; /* [SCHEMA_MOST] */
};

static void place_of(const struct reader *r, const yaml_node_t *node, char *text, size_t size) {
    snprintf(text, size, "%s:%zu", r->name, node->start_mark.line + 1);
}

static int read_list(struct reader *r, const char *place, const struct key *key, const yaml_node_t *value) {
    struct string_list *list = member(r->config, key);
    if (key->type != KEY_LIST) return wrong_value(place, key, "a list");
    list_clear(list);
    for (yaml_node_item_t *i = value->data.sequence.items.start; i < value->data.sequence.items.top; i++) {
        yaml_node_t *item = yaml_document_get_node(r->document, *i);
        if (item->type != YAML_SCALAR_NODE) return wrong_value(place, key, "a list of other things");
        TRY(list_add(list, (const char *)item->data.scalar.value));
    }
    return STATUS_OK;
}

static int read_value(struct reader *r, const char *name, const yaml_node_t *key_node, const yaml_node_t *value) {
    char place[4200];
    place_of(r, key_node, place, sizeof place);
    const struct key *key = schema_find(name);
    if (!key) return unknown_key(place, name);
    if (r->seen[key - SCHEMA]++) return status_set(STATUS_USAGE, "%s: %s is set twice", place, name);
    if (value->type == YAML_SEQUENCE_NODE) return read_list(r, place, key, value);
    if (strlen((const char *)value->data.scalar.value) != value->data.scalar.length)
        return wrong_value(place, key, "text with a zero byte");
    return set_scalar(r->config, place, key, (const char *)value->data.scalar.value);
}

static int read_mapping(struct reader *r, const char *prefix, const yaml_node_t *mapping, int depth) {
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < mapping->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(r->document, p->key);
        yaml_node_t *value = yaml_document_get_node(r->document, p->value);
        char place[4200], name[256];
        place_of(r, key, place, sizeof place);
        if (key->type != YAML_SCALAR_NODE) return status_set(STATUS_USAGE, "%s: a key must be a word", place);
        snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "", (const char *)key->data.scalar.value);
        if (value->type == YAML_MAPPING_NODE && depth < 2)
            TRY(read_mapping(r, name, value, depth + 1));
        else if (value->type == YAML_MAPPING_NODE)
            return unknown_key(place, name);
        else
            TRY(read_value(r, name, key, value));
    }
    return STATUS_OK;
}

static int syntax_error(const char *name, const yaml_parser_t *parser) {
    return status_set(STATUS_USAGE, "%s:%zu: not valid YAML: %s", name, parser->problem_mark.line + 1,
                      parser->problem ? parser->problem : "unknown problem");
}

/* Settings behind a second `---` would be passed over in silence. */
static int check_last_document(yaml_parser_t *parser, const char *name) {
    yaml_document_t document;
    if (!yaml_parser_load(parser, &document)) return syntax_error(name, parser);
    int last = !yaml_document_get_root_node(&document);
    size_t line = document.start_mark.line + 1;
    yaml_document_delete(&document);
    return last ? STATUS_OK
                : status_set(STATUS_USAGE,
                             "%s:%zu: a second YAML document begins here, which would not be read: put all settings "
                             "into one",
                             name, line);
}

int config_read_text(struct config *config, const char *name, const char *text, size_t size) {
    yaml_parser_t parser;
    yaml_document_t document;
    unsigned char seen[SCHEMA_MOST] = {0};
    int status = STATUS_OK;
    if (!yaml_parser_initialize(&parser)) return status_set(STATUS_FAILED, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &document)) {
        status = syntax_error(name, &parser);
        yaml_parser_delete(&parser);
        return status;
    }
    struct reader reader = {config, name, &document, seen};
    yaml_node_t *root = yaml_document_get_root_node(&document);
    if (root && root->type == YAML_MAPPING_NODE)
        status = read_mapping(&reader, "", root, 0);
    else if (root && !(root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
        status = status_set(STATUS_USAGE, "%s: expected lines of the form `key: value`", name);
    yaml_document_delete(&document);
    if (status == STATUS_OK) status = check_last_document(&parser, name);
    yaml_parser_delete(&parser);
    return status;
}

int config_read_file(struct config *config, const char *path) {
    enum { MOST = 1 << 20 };
    struct stat info;
    FILE *file = fopen(path, "rb");
    if (!file) return status_set(STATUS_USAGE, "cannot read the configuration %s: %s", path, strerror(errno));
    if (fstat(fileno(file), &info) || S_ISDIR(info.st_mode)) {
        fclose(file);
        return status_set(STATUS_USAGE, "the configuration %s is a folder", path);
    }
    char *text = malloc(MOST);
    size_t size = text ? fread(text, 1, MOST, file) : 0;
    int status = !text          ? status_set(STATUS_FAILED, "out of memory")
                 : ferror(file) ? status_set(STATUS_USAGE, "%s: %s", path, strerror(errno))
                 : size == MOST ? status_set(STATUS_USAGE, "%s is no configuration: it is over 1 MB", path)
                                : config_read_text(config, path, text, size);
    fclose(file);
    free(text);
    return status == STATUS_OK ? list_add(&config->sources, path) : status;
}

/* ---- --set ---- */
enum { KEY_BYTES = 128 };

static int set_list(struct config *config, const struct key *key, const char *value) {
    struct string_list *list = member(config, key);
    char *copy = strdup(value), *rest = NULL;
    int status = copy ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
    list_clear(list);
    for (char *item = copy ? strtok_r(copy, "[], ", &rest) : NULL; item && status == STATUS_OK;
         item = strtok_r(NULL, "[], ", &rest))
        status = list_add(list, item);
    free(copy);
    return status;
}

/* Copies the key of `key=value`; 0: there is none, or none that fits. */
static int key_of(const char *assignment, char *name, size_t size) {
    size_t n = strcspn(assignment, "=");
    if (!assignment[n] || n == 0 || n >= size) return 0;
    snprintf(name, size, "%.*s", (int)n, assignment);
    return 1;
}

int config_set(struct config *config, const char *assignment) {
    char place[512], name[KEY_BYTES];
    snprintf(place, sizeof place, "--set %.200s", assignment);
    if (!key_of(assignment, name, sizeof name)) return status_set(STATUS_USAGE, "%s: expected key=value", place);
    const char *value = strchr(assignment, '=') + 1;
    const struct key *key = schema_find(name);
    if (!key) return unknown_key(place, name);
    if (key->type == KEY_LIST) return set_list(config, key, value);
    return set_scalar(config, place, key, value);
}

static const struct key *find_assigned(const char *assignment) {
    char name[KEY_BYTES];
    return key_of(assignment, name, sizeof name) ? schema_find(name) : NULL;
}

unsigned config_jobs(const char *assignment) {
    const struct key *key = find_assigned(assignment);
    return key ? key->jobs : 0;
}

int config_is_of_model(const char *assignment) {
    const struct key *key = find_assigned(assignment);
    return key && (key->jobs & JOB_TRAIN) && key->shapes_output;
}

/* ---- checks across keys ---- */
static int check_model(const struct config *c) {
    if (c->quantizer.dim % c->attention.heads)
        return status_set(STATUS_USAGE, "attention.heads (%lld) must divide quantizer.dim (%lld)",
                          (long long)c->attention.heads, (long long)c->quantizer.dim);
    if (c->quantizer.top_k > c->quantizer.size / 3)
        return status_set(STATUS_USAGE,
                          "quantizer.top_k (%lld) is more than a third of quantizer.size (%lld): a region "
                          "has too few rows",
                          (long long)c->quantizer.top_k, (long long)c->quantizer.size);
    return STATUS_OK;
}

int config_adopt(struct config *config, const char *path, char *lines) {
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *colon = strstr(line, ": ");
        if (!colon) continue;
        char assignment[4096];
        snprintf(assignment, sizeof assignment, "%.*s=%s", (int)(colon - line), line, colon + 2);
        int status = config_set(config, assignment);
        if (status != STATUS_OK)
            return status_prefix(status, "%s holds settings that this version does not know", path);
    }
    return STATUS_OK;
}

int config_check(const struct config *c, enum job job) {
    if (job == JOB_PREPARE && c->files.codes.n == 0)
        return status_set(STATUS_USAGE,
                          "files.codes is empty: name at least one code table, in the configuration or with "
                          "--set files.codes=PATH");
    if (job == JOB_PREPARE && !c->files.graph[0])
        return status_set(STATUS_USAGE, "files.graph is empty: name the knowledge graph (PrimeKG's kg.csv)");
    if (job == JOB_ENCODE && c->text.ngram_min > c->text.ngram_max)
        return status_set(STATUS_USAGE, "text.ngram_min (%lld) is larger than text.ngram_max (%lld)",
                          (long long)c->text.ngram_min, (long long)c->text.ngram_max);
    if (job == JOB_ENCODE && c->text.encoder == TEXT_BERT && !c->text.model[0])
        return status_set(STATUS_USAGE, "text.encoder is bert: text.model must name the folder of a model");
    if (job == JOB_ENCODE && c->text.dim % 32)
        return status_set(STATUS_USAGE, "text.dim is %lld: it must be a multiple of 32", (long long)c->text.dim);
    if (job == JOB_TOKENIZE && c->tokenize.append_to[0] && !c->tokenize.codes[0])
        return status_set(STATUS_USAGE, "tokenize.append_to needs tokenize.codes (--codes FILE): the codes to append");
    if ((job == JOB_TRAIN || job == JOB_TOKENIZE) && c->text.mode == TEXT_ONLINE && !c->text.model[0])
        return status_set(STATUS_USAGE, "text.mode is online: text.model must name the folder of a model");
    if (job == JOB_TRAIN && c->train.eval_every && c->train.holdout == 0)
        return status_set(STATUS_USAGE,
                          "train.eval_every needs held-out codes: set train.holdout, or train.eval_every 0");
    if (job == JOB_BENCH && !c->bench.json[0])
        return status_set(STATUS_USAGE, "bench.json is empty: name the file for what is measured");
    return job == JOB_TRAIN || job == JOB_BENCH ? check_model(c) : STATUS_OK;
}

/* ---- printing ---- */
static void format_real(double x, char *text, size_t size) {
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, x);
        if (strtod(text, NULL) == x) return;
    }
}

/* A text in single quotes, as YAML wants it. */
static void print_quoted(FILE *out, const char *text) {
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'') fputc('\'', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void print_value(FILE *out, const struct config *config, const struct key *key) {
    const void *at = member_const(config, key);
    char text[64];
    if (key->type == KEY_INTEGER) {
        fprintf(out, "%lld", (long long)*(const int64_t *)at);
    } else if (key->type == KEY_REAL) {
        format_real(*(const double *)at, text, sizeof text);
        fputs(text, out);
    } else if (key->type == KEY_CHOICE) {
        fputs(key->choices[*(const unsigned *)at], out);
    } else if (key->type == KEY_TEXT) {
        if (key->choices[0])
            fputs(*(char *const *)at, out);
        else
            print_quoted(out, *(char *const *)at);
    } else {
        const struct string_list *list = at;
        for (int i = 0; i < list->n; i++) {
            fputs(i ? ", " : "[", out);
            print_quoted(out, list->items[i]);
        }
        fputs(list->n ? "]" : "[]", out);
    }
}

void config_print(FILE *out, const struct config *config, enum job job) {
    for (int i = 0; i < SCHEMA_SIZE; i++) {
        if (!(SCHEMA[i].jobs & job)) continue;
        fprintf(out, "%s: ", SCHEMA[i].name);
        print_value(out, config, &SCHEMA[i]);
        fputc('\n', out);
    }
}

void config_print_help(FILE *out, enum job job) {
    for (int i = 0; i < SCHEMA_SIZE; i++) {
        char allowed[256];
        if (!(SCHEMA[i].jobs & job)) continue;
        schema_allowed(&SCHEMA[i], allowed, sizeof allowed);
        const char *use = !SCHEMA[i].kind ? "" : SCHEMA[i].writers & job ? ", written" : ", read";
        fprintf(out, "  %-24s %s\n  %-24s %s%s; default %s\n", SCHEMA[i].name, schema_help(&SCHEMA[i], job), "",
                allowed, use, SCHEMA[i].initial[0] ? SCHEMA[i].initial : "empty");
    }
}

/* Whether a key matters under the other settings: training on cached features asks nothing of the language model. */
static int applies(const struct config *config, enum job job, const struct key *key) {
    int online = config->text.mode == TEXT_ONLINE, is_cached = strcmp(key->name, "text.dropout") == 0;
    int is_online = strcmp(key->name, "text.max_tokens") == 0 || strcmp(key->name, "text.compute") == 0;
    return job == JOB_ENCODE || (online ? !is_cached : !is_online);
}

int config_provenance(const struct config *config, enum job job, char **text) {
    size_t size = 0;
    *text = NULL;
    FILE *out = open_memstream(text, &size);
    if (!out) return status_set(STATUS_FAILED, "out of memory");
    for (int i = 0; i < SCHEMA_SIZE; i++) {
        if (!(SCHEMA[i].jobs & job) || !SCHEMA[i].shapes_output || !applies(config, job, &SCHEMA[i])) continue;
        fprintf(out, "%s: ", SCHEMA[i].name);
        print_value(out, config, &SCHEMA[i]);
        fputc('\n', out);
    }
    return fclose(out) == 0 ? STATUS_OK : status_set(STATUS_FAILED, "out of memory");
}
