// Line plots with logarithmic axes as SVG, to be put into an HTML page that has plot_style() in its head.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tapeloom::bench {

struct PlotPoint {
  double x, y, low, high;  ///< low to high: where half of the repetitions are
  std::string tip;         ///< shown when pointed at
};

struct PlotSeries {
  std::string id, title;  ///< the id decides about colour, marker and dashes
  std::vector<PlotPoint> points;
};

struct Plot {
  std::string title, x_label, y_label;
  bool seconds = true;   ///< y is a time; otherwise a plain number
  bool x_is_log = true;  ///< otherwise every x has a tick of its own, and points are not joined
  std::vector<std::pair<double, std::string>> x_ticks;
  std::vector<PlotSeries> series;
};

/// Style sheet with the colours, for light and dark.
std::string plot_style();
std::string plot_svg(const Plot& plot);
/// `text` with the characters that mean something in HTML written as entities.
std::string escape_html(const std::string& text);

}  // namespace tapeloom::bench
