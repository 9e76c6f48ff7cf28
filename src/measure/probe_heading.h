/* How a probe's metric is called wherever its figures are published (terminal, model card, page), and what the marks in it mean: a figure of
 * what training saw must not pass for one of what was learned. */
#ifndef MEDTOK_MEASURE_PROBE_HEADING_H
#define MEDTOK_MEASURE_PROBE_HEADING_H

enum { PROBE_HEADING_BYTES = 128 };

/* The metric, with * where it follows from parents that training saw, and the share that was seen, where it is above 0 (NaN: not known). */
void probe_heading(const char *metric, double seen, int is_of_hierarchy, char heading[PROBE_HEADING_BYTES]);

#define PROBE_SEEN_LEGEND                                                                                              \
    "seen: the training's graph holds the answer, as a node in common or an edge, or with graph.hierarchy a node "     \
    "above both, for that share of the codes (distances: of the pairs)"
#define PROBE_HIERARCHY_LEGEND                                                                                         \
    "classes and distances of codes whose parents the training's graph had (graph.hierarchy), or that of a training "  \
    "it went on from: no probe of what it found by itself"

#endif
