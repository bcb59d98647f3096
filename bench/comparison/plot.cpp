#include "bench/comparison/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "bench/comparison/report.h"

namespace tapeloom::bench {
namespace {

// In units of the SVG.
constexpr double width = 980, height = 460, left = 82, right = 300, top = 44, bottom = 64;
constexpr double plot_width = width - left - right, plot_height = height - top - bottom;

/// Colours as Okabe and Ito chose them, to be told apart by all; marker and dashes say the same without colour.
struct Look {
  const char* id;
  const char* light;
  const char* dark;
  int marker;
  const char* dashes;
};
constexpr std::array<Look, 15> looks = {{{"closures", "#c04f00", "#ff8a3c", 0, ""},
                                         {"evaluator", "#b57d00", "#f0b93a", 1, ""},
                                         {"eager", "#7a6a00", "#f0e442", 2, ""},
                                         {"exact", "#a8487f", "#e39bc4", 2, ""},
                                         {"unrolled", "#2b8fc6", "#7cc8f2", 3, "2 3"},
                                         {"double", "#005b96", "#4aa3e0", 1, "7 3"},
                                         {"float", "#005b96", "#4aa3e0", 0, ""},
                                         {"double_all", "#007a58", "#2cc79b", 1, "7 3"},
                                         {"float_all", "#007a58", "#2cc79b", 0, ""},
                                         {"eigen_double", "#444444", "#dddddd", 1, "7 3"},
                                         {"eigen_float", "#444444", "#dddddd", 3, ""},
                                         {"plain_eigen_float", "#808080", "#999999", 2, "2 3"},
                                         {"adolc", "#7b3fbf", "#c39bf2", 4, ""},
                                         {"torch_double", "#b3122b", "#ff7a8a", 1, "7 3"},
                                         {"torch", "#b3122b", "#ff7a8a", 4, ""}}};

const Look& look_of(const std::string& id) {
  for (const Look& look : looks) {
    if (look.id == id) return look;
  }
  return looks.back();
}

__attribute__((format(printf, 1, 2))) std::string format(const char* pattern, ...) {
  std::array<char, 1024> text{};
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text.data(), text.size(), pattern, arguments);
  va_end(arguments);
  return text.data();
}

/// Where x or y is in the picture.
struct Axis {
  double low, high, begin, end;
  bool is_log = true;

  double at(double number) const {
    const double part = is_log ? std::log(number / low) / std::log(high / low) : (number - low) / (high - low);
    return begin + part * (end - begin);
  }
};

std::string marker(const Look& look, double x, double y, const std::string& tip) {
  std::string shape;
  switch (look.marker) {
    case 0:
      shape = format("<circle cx='%.1f' cy='%.1f' r='4'", x, y);
      break;
    case 1:
      shape = format("<rect x='%.1f' y='%.1f' width='7' height='7'", x - 3.5, y - 3.5);
      break;
    case 2:
      shape = format("<path d='M%.1f %.1fl4.6 8h-9.2z'", x, y - 4.8);
      break;
    case 3:
      shape = format("<path d='M%.1f %.1fl5 5l-5 5l-5 -5z'", x, y - 5.0);
      break;
    default:
      shape = format("<path d='M%.1f %.1fh3v-3h3v3h3v3h-3v3h-3v-3h-3z'", x - 4.5, y - 1.5);
      break;
  }
  return shape + " class='m " + look.id + "'>" + (tip.empty() ? "" : "<title>" + escape_html(tip) + "</title>") +
         (look.marker == 0   ? "</circle>"
          : look.marker == 1 ? "</rect>"
                             : "</path>") +
         "\n";
}

std::string power_text(double number) {
  if (number >= 1e15) return format("%.0e", number);
  if (number >= 1e9) return format("%g billion", number / 1e9);
  if (number >= 1e6) return format("%g million", number / 1e6);
  if (number >= 1e3) return format("%g,000", number / 1e3);
  return format("%g", number);
}

std::string draw_y_axis(const Plot& plot, const Axis& y) {
  std::string svg;
  const int first = static_cast<int>(std::lround(std::log10(y.low)));
  const int last = static_cast<int>(std::lround(std::log10(y.high)));
  for (int power = first; power <= last; ++power) {
    const double number = std::pow(10.0, power), at = y.at(number);
    svg += format("<line class='grid' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>", left, left + plot_width, at, at);
    const std::string text = plot.seconds ? format_seconds(number) : power_text(number);
    svg += format("<text class='tick' x='%.1f' y='%.1f' text-anchor='end'>%s</text>\n", left - 8, at + 4, text.c_str());
    for (int minor = 2; minor < 10 && power < last && last - first <= 4; ++minor) {
      const double between = y.at(number * minor);
      svg += format("<line class='minor' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>", left, left + plot_width, between,
                    between);
    }
  }
  return svg;
}

std::string draw_x_axis(const Plot& plot, const Axis& x) {
  std::string svg;
  for (const auto& [number, text] : plot.x_ticks) {
    const double at = x.at(number);
    svg += format("<line class='minor' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>", at, at, top, top + plot_height);
    // Names are long: what comes after the first word goes below it.
    const std::size_t space = plot.x_is_log ? std::string::npos : text.find(' ');
    svg += format("<text class='tick' x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n", at, top + plot_height + 17,
                  escape_html(text.substr(0, space)).c_str());
    if (space == std::string::npos) continue;
    svg += format("<text class='tick' x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n", at, top + plot_height + 31,
                  escape_html(text.substr(space + 1)).c_str());
  }
  return svg;
}

/// Series side by side where the points of all have the same x.
std::string draw_series(const Plot& plot, const Axis& x, const Axis& y, std::size_t number) {
  const PlotSeries& series = plot.series[number];
  const Look& look = look_of(series.id);
  const double spread = plot.x_is_log ? 0.0 : 7.0;
  const double shift = spread * (static_cast<double>(number) - 0.5 * static_cast<double>(plot.series.size() - 1));
  std::string line, ranges, markers;
  for (const PlotPoint& p : series.points) {
    const double px = x.at(p.x) + shift, py = y.at(p.y);
    line += format("%s%.1f %.1f", line.empty() ? "M" : "L", px, py);
    if (p.high > p.low) {
      ranges += format("<line class='l %s' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>", look.id, px, px, y.at(p.low),
                       y.at(p.high));
    }
    markers += marker(look, px, py, p.tip);
  }
  if (plot.x_is_log) ranges += "<path class='l " + series.id + "' d='" + line + "'/>\n";
  return ranges + markers;
}

std::string draw_legend(const Plot& plot) {
  std::string svg;
  double y = top + 8;
  for (const PlotSeries& series : plot.series) {
    const Look& look = look_of(series.id);
    const double x = left + plot_width + 20;
    if (plot.x_is_log) svg += format("<path class='l %s' d='M%.1f %.1fh32'/>", look.id, x, y);
    svg += marker(look, x + 16, y, "");
    svg +=
        format("<text class='name' x='%.1f' y='%.1f'>%s</text>\n", x + 42, y + 4.5, escape_html(series.title).c_str());
    y += 24;
  }
  return svg;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string plot_style() {
  std::string style =
      "svg{width:100%;height:auto;display:block}\n"
      "svg text{font:13px system-ui,sans-serif;fill:var(--text)}\nsvg .title{font-size:16px;font-weight:600}\n"
      "svg .tick{font-size:12px;fill:var(--quiet)}\nsvg .grid{stroke:var(--grid)}\n"
      "svg .minor{stroke:var(--grid);stroke-opacity:.45}\nsvg .frame{fill:none;stroke:var(--quiet)}\n"
      "svg .l{fill:none;stroke-width:2}\nsvg .m{stroke:var(--page);stroke-width:1}\n";
  std::string dark = "@media(prefers-color-scheme:dark){\n";
  for (const Look& look : looks) {
    const std::string id = look.id;
    style += ".l." + id + "{stroke:" + look.light + ";stroke-dasharray:" + (*look.dashes ? look.dashes : "none") + "}";
    style += ".m." + id + "{fill:" + look.light + "}\n";
    dark += ".l." + id + "{stroke:" + look.dark + "}.m." + id + "{fill:" + look.dark + "}\n";
  }
  return style + dark + "}\n";
}

std::string plot_svg(const Plot& plot) {
  double y_low = INFINITY, y_high = 0.0, x_low = INFINITY, x_high = 0.0;
  for (const PlotSeries& series : plot.series) {
    for (const PlotPoint& p : series.points) {
      y_low = std::min(y_low, p.low), y_high = std::max(y_high, p.high);
      x_low = std::min(x_low, p.x), x_high = std::max(x_high, p.x);
    }
  }
  if (!(y_low > 0.0) || y_high < y_low) return "";
  Axis x = {x_low / 1.15, x_high * 1.15, left, left + plot_width};
  if (!plot.x_is_log) x = {x_low - 0.6, x_high + 0.6, left, left + plot_width, false};
  Axis y = {std::pow(10.0, std::floor(std::log10(y_low))), std::pow(10.0, std::ceil(std::log10(y_high))),
            top + plot_height, top};
  if (y.high <= y.low) y.high = 10.0 * y.low;

  std::string svg = format("<svg viewBox='0 0 %.0f %.0f' role='img' aria-label='%s'>\n", width, height,
                           escape_html(plot.title).c_str());
  svg += format("<text class='title' x='%.1f' y='24'>%s</text>\n", left, escape_html(plot.title).c_str());
  svg += draw_y_axis(plot, y) + draw_x_axis(plot, x);
  svg += format("<rect class='frame' x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>\n", left, top, plot_width,
                plot_height);
  svg += format("<text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n", left + plot_width / 2, height - 12,
                escape_html(plot.x_label).c_str());
  svg += format("<text x='0' y='0' text-anchor='middle' transform='translate(18 %.1f) rotate(-90)'>%s</text>\n",
                top + plot_height / 2, escape_html(plot.y_label).c_str());
  for (std::size_t i = 0; i < plot.series.size(); ++i) svg += draw_series(plot, x, y, i);
  return svg + draw_legend(plot) + "</svg>\n";
}

}  // namespace tapeloom::bench
