/* What the most keeps from one goes to the others in a next round, until nothing is left or all have the most. */
#include "synth/vocabulary/deal.h"

static double open_weight(int64_t n, const double *weight, int64_t most, const int32_t *count) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (count[i] < most) sum += weight[i];
    return sum;
}

/* One round over those that are below the most; returns how many were dealt. */
static int64_t deal_round(int64_t total, int64_t n, const double *weight, double open, int64_t most, int32_t *count) {
    int64_t before = 0, dealt = 0;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (count[i] >= most) continue;
        sum += weight[i];
        int64_t so_far = (int64_t)((double)total * (sum / open)), share = so_far - before;
        before = so_far;
        if (share > most - count[i]) share = most - count[i];
        count[i] += (int32_t)share;
        dealt += share;
    }
    return dealt;
}

int64_t deal(int64_t total, int64_t n, const double *weight, int64_t least, int64_t most, int32_t *count) {
    if (least * n > total) least = 0;
    for (int64_t i = 0; i < n; i++) count[i] = (int32_t)least;
    int64_t left = total - least * n;
    for (double open; left > 0 && (open = open_weight(n, weight, most, count)) > 0;)
        left -= deal_round(left, n, weight, open, most, count);
    return total - left;
}
