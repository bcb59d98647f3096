// The comparison's page: plots and tables in one HTML file.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>

#include "bench/comparison/plot.h"
#include "bench/comparison/report.h"

namespace tapeloom::bench {
namespace {

constexpr const char* page_style =
    ":root{color-scheme:light dark;--page:#fff;--text:#1c1c1c;--quiet:#5a5a5a;--grid:#dcdcdc;--best:#e6f2ec}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#16181b;--text:#ececec;--quiet:#a8a8a8;--grid:#3a3d42;"
    "--best:#1d3a2f}}\n"
    "body{background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif;max-width:1040px;"
    "margin:2rem auto;padding:0 1rem}\n"
    "h1{font-size:1.7rem;margin-bottom:.3rem}h2{font-size:1.25rem;margin-top:2.5rem}\n"
    "figure{margin:1.5rem 0;overflow-x:auto}figure svg{min-width:720px}figcaption,.quiet{color:var(--quiet);"
    "font-size:.9rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;margin:.5rem 0 1.5rem;"
    "font-variant-numeric:tabular-nums}\n"
    "caption{text-align:left;font-weight:600;padding:.4rem 0}\n"
    "td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}\n"
    "td:first-child,th:first-child{text-align:left}th{color:var(--quiet);font-weight:500}"
    "th:first-child{color:var(--text);font-weight:600}\n"
    "tr.best td{background:var(--best)}dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;"
    "font-size:.9rem}dt{color:var(--quiet)}dd{margin:0}.remark{color:var(--quiet);font-size:.9rem;margin:-1rem 0 "
    "1.5rem}.remark+.remark{margin-top:-1.3rem}\n";

std::string count_text(double number) {
  std::array<char, 32> text{};
  if (number >= 1e6) {
    std::snprintf(text.data(), text.size(), "%.3g M", 1e-6 * number);
  } else if (number >= 1e4) {
    std::snprintf(text.data(), text.size(), "%.0f k", 1e-3 * number);
  } else {
    std::snprintf(text.data(), text.size(), "%.0f", number);
  }
  return text.data();
}

using Figure = std::function<PlotPoint(const Measurement&)>;

PlotPoint time_point(const Measurement& m) {
  return {m.x, m.median_seconds(), m.quantile(0.25), m.quantile(0.75),
          variant_of(m.variant).title + ", " + m.work + ": " + format_seconds(m.median_seconds())};
}

PlotPoint break_even_point(const Measurement& m) {
  const double steps = std::max(m.break_even_steps, 1e-6);
  return {m.x, steps, steps, steps, variant_of(m.variant).title + ", " + m.work + ": " + count_text(steps) + " steps"};
}

/// The measurements of a chart for which `figure` gives a finite number; a tick for each x.
Plot plot_of(const std::vector<Measurement>& all, const std::string& chart, const Figure& figure) {
  Plot plot;
  std::map<double, std::string> ticks;
  for (const Variant& variant : all_variants()) {
    PlotSeries series = {variant.id, variant.title, {}};
    for (const Measurement& m : all) {
      if (m.chart != chart || m.variant != variant.id) continue;
      const PlotPoint point = figure(m);
      if (!std::isfinite(point.y)) continue;
      series.points.push_back(point);
      ticks[m.x] = chart == "nets" ? m.work : count_text(m.x);
    }
    if (!series.points.empty()) plot.series.push_back(std::move(series));
  }
  plot.x_ticks.assign(ticks.begin(), ticks.end());
  return plot;
}

std::string figure_html(const Plot& plot, const std::string& caption) {
  const std::string svg = plot_svg(plot);
  if (svg.empty()) return "";
  return "<figure>" + svg + "<figcaption>" + escape_html(caption) + "</figcaption></figure>\n";
}

std::string plots_html(const std::vector<Measurement>& all) {
  const auto draw = [&](const char* chart, const Figure& figure, const char* title, const char* x_label,
                        const char* y_label, const char* caption) {
    Plot plot = plot_of(all, chart, figure);
    plot.title = title, plot.x_label = x_label, plot.y_label = y_label;
    plot.seconds = std::string(y_label).find("steps") == std::string::npos;
    plot.x_is_log = std::string(chart) != "nets";
    return figure_html(plot, caption);
  };
  const char* time = "time per step (log scale)";
  const char* steps = "steps until it pays off (log scale)";
  std::string html;
  html +=
      draw("nets", time_point, "Time per training step: five nets", "net / samples in a step", time,
           "Lower is better. Bars: half of the repetitions are within, often smaller than the mark. Point at a mark "
           "for its number.");
  html += draw("width", time_point, "Time per step against width", "W of 64-W-W-10 relu, 64 samples (log scale)", time,
               "The tuned Eigen steps are written for the five nets alone, one of which is among these. Closures and "
               "the evaluator stop where a step takes seconds, ADOL-C at ten million products a step.");
  html +=
      draw("batch", time_point, "Time per step against batch", "samples in a step of 64-64-64-10 relu (log scale)",
           time, "Closures and the evaluator stop where a step takes seconds, ADOL-C at ten million products a step.");
  html +=
      draw("nodes", time_point, "Time per step against nodes recorded",
           "nodes recorded: 2-16-16-1 relu, sample after sample (log scale)", time,
           "As micrograd's demos record it: the loss over all samples is one expression, whose samples the compiler "
           "folds into rows. Closures build as much anew in every step; Eigen and LibTorch take the same samples as a "
           "batch.");
  html +=
      draw("equation", time_point, "Time per step of a net that solves an equation",
           "W of 2-W-W-W-1 tanh, 1,024 points (log scale)", time,
           "The loss has the net's first and second derivatives by both inputs in it, recorded by derivative() here, "
           "made by autograd::grad with create_graph in LibTorch.");
  html += draw("width", break_even_point, "Recording and compiling against closures: when it pays off, by width",
               "W of 64-W-W-10 relu, 64 samples (log scale)", steps,
               "Time for recording and compiling, divided by what a step takes less than with closures. Below one, the "
               "first step is already won.");
  html += draw("nodes", break_even_point, "The same, by nodes recorded",
               "nodes recorded: 2-16-16-1 relu, sample after sample (log scale)", steps,
               "Where every sample is recorded, there is more to compile for the same work.");
  return html;
}

std::string cells_html(const std::vector<std::string>& cells, const std::string& element) {
  std::string html;
  for (const std::string& cell : cells) html += "<" + element + ">" + escape_html(cell) + "</" + element + ">";
  return html + "</tr>\n";
}

std::string tables_html(const std::vector<Measurement>& all) {
  std::string html;
  for (const Table& table : tables_of(all)) {
    html += "<div class='wide'><table>\n<tr>" + cells_html(table.head, "th");
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
      html += (row == table.fastest ? "<tr class='best'>" : "<tr>") + cells_html(table.rows[row], "td");
    }
    html += "</table></div>\n";
    for (const std::string& remark : table.remarks) html += "<p class='remark'>" + escape_html(remark) + "</p>\n";
  }
  return html;
}

}  // namespace

std::string page_text(const Circumstances& circumstances, const std::vector<Measurement>& all) {
  std::string html =
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width,initial-scale=1'>\n"
      "<title>Tapeloom: the comparison</title>\n<style>\n";
  html += page_style + plot_style() + "</style></head>\n<body>\n<h1>Tapeloom: the comparison</h1>\n";
  html +=
      "<p>A training step is forward, loss, backward and plain gradient descent. Every variant was first checked to "
      "give the same loss and gradients. All were timed in one process, in a new random order each round; times are "
      "medians, and what is done only once (recording, compiling) is reported apart.</p>\n";
  html += plots_html(all);
  html += "<h2>All figures</h2>\n";
  html += "<p class='quiet'>The fastest of each table is marked.</p>\n" + tables_html(all);
  html += "<h2>How it was measured</h2>\n<dl>\n";
  for (const auto& [name, fact] : circumstances.facts) {
    html += "<dt>" + escape_html(name) + "</dt><dd>" + escape_html(fact) + "</dd>\n";
  }
  return html + "</dl>\n</body></html>\n";
}

}  // namespace tapeloom::bench
