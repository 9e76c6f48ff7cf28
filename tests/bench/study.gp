# Draws results/study.tsv (tests/bench/study.py): gnuplot -e "table='results/study.tsv'; out='results/study.svg'" tests/bench/study.gp
set terminal svg size 1100,900 font "sans,13"
set output out
set datafile separator "\t"
set multiplot layout 2,1
set title "Usage of the codebook: share of each region's rows that the whole vocabulary's tokens pick (seed 0)"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set yrange [0:1.05]
set xtics rotate by -35 font "sans,11"
set key outside right
first(name) = sprintf("< awk -F'\\t' 'NR == 1 || $3 == 0' %s", name)
set key autotitle columnhead
plot first(table) using "usage_text":xtic(strcol(1)." ".strcol(2)) title "text-specific", \
     first(table) using "usage_graph" title "graph-specific", first(table) using "usage_shared" title "shared"
set title "Related codes share tokens (across) and lie near each other (up); 95 % bootstrap intervals; all seeds"
set xlabel "overlap of siblings"
set ylabel "KG-linked codes among the 50 nearest"
set xtics norotate
set autoscale
set offsets graph 0.12, graph 0.12, graph 0.05, graph 0.05
unset key
plot table using "sibling_overlap":"neighbour_recall":"sibling_overlap_low":"sibling_overlap_high":"neighbour_recall_low":"neighbour_recall_high" \
         with xyerrorbars pointtype 7 linecolor rgb "#3465a4", \
     table using "sibling_overlap":"neighbour_recall":(strcol(1)." ".strcol(2)) with labels left offset 0.7,0.5 font "sans,10"
