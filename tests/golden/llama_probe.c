/* usage: llama_probe FOLDER ids     hexadecimal texts, one a line -> their token ids
 *        llama_probe FOLDER logits  texts as token ids, one a line -> the logits of all tokens, as float32 bytes
 *        llama_probe FOLDER time    texts as token ids, all at once: `tokens seconds` of processor time of a forward pass to the
 *                                   logits behind each text, the fastest of five
 *        llama_probe FOLDER say N   a prompt as token ids, one a line -> N tokens that follow, the most probable each time
 *
 * By check_llama.py. PRECISION in the environment: fp32 (default) or bf16; on one thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "lm/bpe.h"
#include "lm/generate.h"

static int fail(void) {
    fprintf(stderr, "%s\n", status_message());
    return 1;
}

static int print_ids(const char *folder) {
    struct bpe bpe;
    struct tokens tokens = {0};
    char *line = NULL;
    size_t capacity = 0;
    if (bpe_open(&bpe, folder)) return fail();
    while (getline(&line, &capacity, stdin) > 0) {
        int64_t n = 0;
        unsigned byte;
        for (const char *hex = line; hex[0] && hex[1] && sscanf(hex, "%2x", &byte) == 1; hex += 2)
            line[n++] = (char)byte;
        tokens.n = 0;
        if (bpe_encode(&bpe, line, n, 0, &tokens)) return fail();
        for (int64_t i = 0; i < tokens.n; i++) printf("%s%d", i ? " " : "", tokens.ids[i]);
        printf("\n");
    }
    free(line);
    tokens_free(&tokens);
    bpe_close(&bpe);
    return 0;
}

static int read_ids(struct tokens *tokens) {
    char *line = NULL, *end;
    size_t capacity = 0;
    int good = getline(&line, &capacity, stdin) > 0;
    for (const char *at = line; good; at = end) {
        long id = strtol(at, &end, 10);
        if (end == at || tokens_add(tokens, (int32_t)id)) break;
    }
    free(line);
    return good;
}

static dev_int send(struct device *device, int64_t n, const int32_t *values) {
    dev_int ints = device_alloc_ints(device, n);
    device_upload_ints(device, ints, values, n);
    return ints;
}

/* Texts ids[offsets[i] ..]: logits of all rows, or of the last of each. */
static struct var *forward(const struct llama *m, struct tape *tape, const struct llama_rows *rows, dev_int last) {
    tape_reset(tape, 1);
    struct var *h = llama_hidden(m, tape, rows, NULL);
    if (last.at) h = nn_gather(tape, h, last, rows->segments.rows.n);
    return nn_linear(tape, h, llama_head(m, tape), NULL);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int run(struct llama *m, struct device *device, int timed) {
    struct tokens ids = {0}, offsets = {0}, position = {0}, last = {0}, keys = {0};
    struct tape tape;
    tape_init(&tape, device);
    for (int more = 1; more;) {
        int64_t first = ids.n, n_pairs = 0;
        more = read_ids(&ids);
        if (more) {
            tokens_add(&offsets, (int32_t)first);
            tokens_add(&last, (int32_t)ids.n - 1);
            tokens_add(&keys, 0);
            for (int64_t r = first; r < ids.n; r++) tokens_add(&position, (int32_t)(r - first));
            if (timed) continue;
        }
        if (!ids.n) break;
        tokens_add(&offsets, (int32_t)ids.n);
        for (int64_t i = 0; i + 1 < offsets.n; i++) {
            int64_t length = offsets.ids[i + 1] - offsets.ids[i];
            n_pairs += length * (length + 1) / 2;
        }
        dev_int to[] = {send(device, offsets.n, offsets.ids), send(device, keys.n, keys.ids),
                        send(device, ids.n, ids.ids), send(device, ids.n, position.ids),
                        send(device, last.n, last.ids)};
        struct llama_rows rows = {
            .segments = {{last.n, ids.n, to[0]}, to[1]}, .n_pairs = n_pairs, .token = to[2], .position = to[3]};
        double best = 1e9;
        struct var *y = NULL;
        for (int k = 0; k < (timed ? 5 : 1); k++) {
            double begin = seconds();
            y = forward(m, &tape, &rows, timed ? to[4] : (dev_int){NULL});
            if (tape_status(&tape)) return fail();
            best = seconds() - begin < best ? seconds() - begin : best;
        }
        if (timed)
            printf("%lld %.4f\n", (long long)ids.n, best);
        else
            fwrite(y->value.at, sizeof(float), (size_t)(y->rows * y->cols), stdout);
        for (int k = 0; k < 5; k++) device_free_ints(device, to[k]);
        ids.n = offsets.n = position.n = last.n = keys.n = 0;
    }
    struct tokens *all[] = {&ids, &offsets, &position, &last, &keys};
    for (int k = 0; k < 5; k++) tokens_free(all[k]);
    tape_free(&tape);
    return 0;
}

static int say(const struct llama *m, int64_t n) {
    struct tokens prompt = {0}, made = {0};
    struct generation how = {.most = n};
    while (read_ids(&prompt)) {
        double begin = seconds();
        if (llama_generate(m, prompt.ids, prompt.n, &how, &made)) return fail();
        fprintf(stderr, "%.3f s for %lld tokens\n", seconds() - begin, (long long)made.n);
        for (int64_t i = 0; i < made.n; i++) printf("%s%d", i ? " " : "", made.ids[i]);
        printf("\n");
        prompt.n = made.n = 0;
    }
    tokens_free(&prompt);
    tokens_free(&made);
    return 0;
}

int main(int argc, char **argv) {
    const char *precision = getenv("PRECISION");
    struct device device;
    struct llama m;
    if (argc < 3) return 2;
    if (strcmp(argv[2], "ids") == 0) return print_ids(argv[1]);
    if (device_open_cpu(&device, 1)) return 1;
    if (llama_open(&m, &device, argv[1], precision && strcmp(precision, "bf16") == 0 ? PRODUCTS_BF16 : PRODUCTS_F32, 0))
        return fail();
    int status = argc > 3 ? say(&m, atoll(argv[3])) : run(&m, &device, strcmp(argv[2], "time") == 0);
    llama_close(&m);
    device_close(&device);
    return status;
}
