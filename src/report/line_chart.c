#include "report/line_chart.h"

#include <math.h>

#include "report/html.h"

static const double WIDTH = 300, HEIGHT = 80, EDGE = 3;

struct range {
    double least, most, first, last;
    int n;
};

static struct range range_of(int n, const double *x, const double *y, const double *of, int stride) {
    struct range r = {.least = INFINITY, .most = -INFINITY};
    for (int i = 0; i < n; i++) {
        double value = of[(long)i * stride];
        if (!isfinite(x[(long)i * stride]) || !isfinite(y[(long)i * stride])) continue;
        if (r.n++ == 0) r.first = value;
        r.least = fmin(r.least, value);
        r.most = fmax(r.most, value);
        r.last = value;
    }
    return r;
}

static double at(const struct range *r, double value) {
    return r->most > r->least ? (value - r->least) / (r->most - r->least) : 0.5;
}

void line_chart(FILE *out, const char *title, int n, const double *x, const double *y, int stride) {
    struct range across = range_of(n, x, y, x, stride), up = range_of(n, x, y, y, stride);
    if (up.n < 2 || !(up.most > up.least)) return;
    fputs("<figure class=\"small\"><figcaption>", out);
    html_text(out, title);
    fprintf(out, " <span>%.4g</span></figcaption>\n<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", up.last,
            WIDTH, HEIGHT);
    html_text(out, title);
    fprintf(out, ": %.4g at step %.0f, %.4g at step %.0f; least %.4g, largest %.4g\">\n<path d=\"", up.first,
            across.first, up.last, across.last, up.least, up.most);
    for (int i = 0, drawn = 0; i < n; i++) {
        double px = x[(long)i * stride], py = y[(long)i * stride];
        if (!isfinite(px) || !isfinite(py)) continue;
        fprintf(out, "%c%.1f %.1f", drawn++ ? 'L' : 'M', EDGE + (WIDTH - 2 * EDGE) * at(&across, px),
                HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * at(&up, py));
    }
    fprintf(out, "\"/></svg>\n<p>%.4g to %.4g; steps %.0f to %.0f</p></figure>\n", up.least, up.most, across.least,
            across.most);
}
