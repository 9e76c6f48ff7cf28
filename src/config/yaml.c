/* Settings from YAML. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#include "base/status.h"
#include "config/assign.h"
#include "config/values.h"

struct reader {
    const struct schema *schema;
    void *values;
    const char *name; /* of the file */
    yaml_document_t *document;
    unsigned char *seen; /* [schema->n] */
};

static void origin_of(const struct reader *r, const yaml_node_t *node, char *text, size_t size) {
    snprintf(text, size, "%s:%zu", r->name, node->start_mark.line + 1);
}

static int read_list(struct reader *r, const char *origin, const struct key *key, const yaml_node_t *value) {
    struct string_list *list = assign_target(r->values, key);
    if (key->type != KEY_LIST) return assign_refused(origin, key, "a list");
    string_list_clear(list);
    for (yaml_node_item_t *i = value->data.sequence.items.start; i < value->data.sequence.items.top; i++) {
        yaml_node_t *item = yaml_document_get_node(r->document, *i);
        if (item->type != YAML_SCALAR_NODE) return assign_refused(origin, key, "a list of other things");
        TRY(assign_one_line(origin, key, (const char *)item->data.scalar.value));
        TRY(string_list_add(list, (const char *)item->data.scalar.value));
    }
    return STATUS_OK;
}

static int read_value(struct reader *r, const char *name, const yaml_node_t *key_node, const yaml_node_t *value) {
    char origin[4200];
    origin_of(r, key_node, origin, sizeof origin);
    const struct key *key = schema_find(r->schema, name);
    if (!key) return assign_unknown(r->schema, origin, name);
    if (r->seen[key - r->schema->keys]++) return status_set(STATUS_USAGE, "%s: %s is set twice", origin, name);
    assign_given(r->schema, r->values, key);
    if (value->type == YAML_SEQUENCE_NODE) return read_list(r, origin, key, value);
    if (strlen((const char *)value->data.scalar.value) != value->data.scalar.length)
        return assign_refused(origin, key, "text with a zero byte");
    return assign_text(r->values, origin, key, (const char *)value->data.scalar.value);
}

static int read_mapping(struct reader *r, const char *prefix, const yaml_node_t *mapping, int depth) {
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < mapping->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(r->document, p->key);
        yaml_node_t *value = yaml_document_get_node(r->document, p->value);
        char origin[4200], name[256];
        origin_of(r, key, origin, sizeof origin);
        if (key->type != YAML_SCALAR_NODE) return status_set(STATUS_USAGE, "%s: a key must be a word", origin);
        int n =
            snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "", (const char *)key->data.scalar.value);
        if (n >= (int)sizeof name) return assign_unknown(r->schema, origin, name);
        if (value->type == YAML_MAPPING_NODE && depth < 2)
            TRY(read_mapping(r, name, value, depth + 1));
        else if (value->type == YAML_MAPPING_NODE)
            return assign_unknown(r->schema, origin, name);
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

static int read_root(struct reader *r, const yaml_node_t *root) {
    if (root && root->type == YAML_MAPPING_NODE) return read_mapping(r, "", root, 0);
    if (root && !(root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
        return status_set(STATUS_USAGE, "%s: expected lines of the form `key: value`", r->name);
    return STATUS_OK;
}

int values_read_text(const struct schema *schema, void *values, const char *name, const char *text, size_t size) {
    yaml_parser_t parser;
    yaml_document_t document;
    struct reader reader = {schema, values, name, &document, NULL};
    if (!yaml_parser_initialize(&parser)) return status_set(STATUS_FAILED, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &document)) {
        int status = syntax_error(name, &parser);
        yaml_parser_delete(&parser);
        return status;
    }
    int status = mem_alloc(&reader.seen, schema->n, 1);
    if (status == STATUS_OK) status = read_root(&reader, yaml_document_get_root_node(&document));
    free(reader.seen);
    yaml_document_delete(&document);
    if (status == STATUS_OK) status = check_last_document(&parser, name);
    yaml_parser_delete(&parser);
    return status;
}

int values_read_file(const struct schema *schema, void *values, const char *path) {
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
                                : values_read_text(schema, values, path, text, size);
    fclose(file);
    free(text);
    return status;
}
