#include "examples/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <utility>

namespace tapeloom::examples {

namespace {

/// A number with as few of the given decimals as it needs.
std::string number(double value, int decimals = 2) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  std::string out = text;
  if (out.find('.') != std::string::npos) {
    while (out.back() == '0') out.pop_back();
    if (out.back() == '.') out.pop_back();
  }
  return out == "-0" ? "0" : out;
}

std::string hex(Colour colour) {
  char text[16];
  const auto byte = [](double v) { return static_cast<unsigned>(std::lround(std::clamp(v, 0.0, 255.0))); };
  std::snprintf(text, sizeof text, "#%02x%02x%02x", byte(colour.red), byte(colour.green), byte(colour.blue));
  return text;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string text_at(double x, double y, std::string_view attributes, std::string_view text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" " + std::string(attributes) + ">" + escaped(text) +
         "</text>\n";
}

std::string line_from(Point a, Point b, std::string_view attributes) {
  return "<line x1=\"" + number(a.x) + "\" y1=\"" + number(a.y) + "\" x2=\"" + number(b.x) + "\" y2=\"" + number(b.y) +
         "\" " + std::string(attributes) + "/>\n";
}

/// Where the number between two corners is `level`, if it is.
std::optional<Point> crossing(Point a, double at_a, Point b, double at_b, double level) {
  if ((at_a < level) == (at_b < level)) return std::nullopt;
  const double t = (level - at_a) / (at_b - at_a);
  return Point{a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
}

}  // namespace

Colour mix(Colour from, Colour to, double t) {
  t = std::clamp(t, 0.0, 1.0);
  return {from.red + t * (to.red - from.red), from.green + t * (to.green - from.green),
          from.blue + t * (to.blue - from.blue)};
}

std::vector<double> ticks(const Axis& axis, int count) {
  const double rough = (axis.upper - axis.lower) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = power * 10;
  for (const double candidate : {5.0, 2.0, 1.0}) {
    if (candidate * power >= rough) step = candidate * power;
  }
  std::vector<double> all;
  const double first = std::ceil(axis.lower / step - 1e-9);
  for (int i = 0; (first + i) * step <= axis.upper + 1e-9 * step; ++i) all.push_back((first + i) * step);
  return all;
}

Plot::Plot(std::string title, Axis x, Axis y, double width, double height)
    : title_(std::move(title)), x_(std::move(x)), y_(std::move(y)), width_(width), height_(height) {}

double Plot::x_pixel(double x) const {
  return left_ + (x - x_.lower) / (x_.upper - x_.lower) * (width_ - left_ - right_);
}

double Plot::y_pixel(double y) const {
  return height_ - bottom_ - (y - y_.lower) / (y_.upper - y_.lower) * (height_ - top_ - bottom_);
}

Point Plot::cell(std::size_t column, std::size_t row, std::size_t columns, std::size_t rows) const {
  const double u = (static_cast<double>(column) + 0.5) / static_cast<double>(columns);
  const double v = (static_cast<double>(row) + 0.5) / static_cast<double>(rows);
  return {x_.lower + u * (x_.upper - x_.lower), y_.lower + v * (y_.upper - y_.lower)};
}

void Plot::field(const Field& field, const std::function<Colour(double)>& colour) {
  const double cell_width = (width_ - left_ - right_) / static_cast<double>(field.columns);
  const double cell_height = (height_ - top_ - bottom_) / static_cast<double>(field.rows);
  body_ += "<g shape-rendering=\"crispEdges\">\n";
  for (std::size_t row = 0; row < field.rows; ++row) {
    const double y = height_ - bottom_ - static_cast<double>(row + 1) * cell_height;
    for (std::size_t begin = 0; begin < field.columns;) {
      const std::string fill = hex(colour(field.at(begin, row)));
      std::size_t end = begin + 1;  // neighbours of one colour are one rectangle
      while (end < field.columns && hex(colour(field.at(end, row))) == fill) ++end;
      body_ += "<rect x=\"" + number(left_ + static_cast<double>(begin) * cell_width) + "\" y=\"" + number(y) +
               "\" width=\"" + number(static_cast<double>(end - begin) * cell_width) + "\" height=\"" +
               number(cell_height) + "\" fill=\"" + fill + "\"/>\n";
      begin = end;
    }
  }
  body_ += "</g>\n";
}

// Marching squares (Lorensen & Cline's marching cubes in two dimensions): within the square between four cell middles,
// the line joins the crossings of its sides, in pairs.
void Plot::contour(const Field& field, double level, Colour colour, double width) {
  body_ += "<path fill=\"none\" stroke-linecap=\"round\" stroke=\"" + hex(colour) + "\" stroke-width=\"" +
           number(width) + "\" d=\"";
  for (std::size_t row = 0; row + 1 < field.rows; ++row) {
    for (std::size_t column = 0; column + 1 < field.columns; ++column) {
      std::array<Point, 4> corner;
      std::array<double, 4> at;
      for (std::size_t i = 0; i < 4; ++i) {  // around the square
        const std::size_t c = column + (i == 1 || i == 2 ? 1 : 0), r = row + (i >= 2 ? 1 : 0);
        corner[i] = cell(c, r, field.columns, field.rows);
        at[i] = field.at(c, r);
      }
      bool start = true;
      for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t j = (i + 1) % 4;
        const auto p = crossing(corner[i], at[i], corner[j], at[j], level);
        if (!p) continue;
        body_ += (start ? "M" : "L") + number(x_pixel(p->x)) + " " + number(y_pixel(p->y));
        start = !start;
      }
    }
  }
  body_ += "\"/>\n";
}

void Plot::grid() {
  for (const double x : ticks(x_)) {
    body_ += line_from({x_pixel(x), y_pixel(y_.lower)}, {x_pixel(x), y_pixel(y_.upper)}, "stroke=\"#dddddd\"");
  }
  for (const double y : ticks(y_)) {
    body_ += line_from({x_pixel(x_.lower), y_pixel(y)}, {x_pixel(x_.upper), y_pixel(y)}, "stroke=\"#dddddd\"");
  }
}

void Plot::line(std::span<const Point> points, Colour colour, std::string_view name, double width) {
  body_ += "<polyline fill=\"none\" stroke-linejoin=\"round\" stroke=\"" + hex(colour) + "\" stroke-width=\"" +
           number(width) + "\" points=\"";
  for (const Point& p : points) body_ += number(x_pixel(p.x)) + "," + number(y_pixel(p.y)) + " ";
  body_ += "\"/>\n";
  if (!name.empty()) entries_.push_back({colour, std::string(name), true});
}

void Plot::points(std::span<const Point> points, Colour colour, std::string_view name, double radius) {
  body_ += "<g fill=\"" + hex(colour) + "\" stroke=\"#ffffff\" stroke-width=\"1\">\n";
  for (const Point& p : points) {
    body_ += "<circle cx=\"" + number(x_pixel(p.x)) + "\" cy=\"" + number(y_pixel(p.y)) + "\" r=\"" + number(radius) +
             "\"/>\n";
  }
  body_ += "</g>\n";
  if (!name.empty()) entries_.push_back({colour, std::string(name), false});
}

std::string Plot::frame() const {
  const double right = width_ - right_, bottom = height_ - bottom_;
  std::string out = "<rect x=\"" + number(left_) + "\" y=\"" + number(top_) + "\" width=\"" + number(right - left_) +
                    "\" height=\"" + number(bottom - top_) + "\" fill=\"none\" stroke=\"#444444\"/>\n";
  for (const double x : ticks(x_)) {
    out += line_from({x_pixel(x), bottom}, {x_pixel(x), bottom + 5}, "stroke=\"#444444\"");
    out += text_at(x_pixel(x), bottom + 20, "text-anchor=\"middle\"", number(x, 6));
  }
  for (const double y : ticks(y_)) {
    out += line_from({left_ - 5, y_pixel(y)}, {left_, y_pixel(y)}, "stroke=\"#444444\"");
    out += text_at(left_ - 9, y_pixel(y) + 4, "text-anchor=\"end\"", number(y, 6));
  }
  out += text_at((left_ + right) / 2, height_ - 12, "text-anchor=\"middle\"", x_.title);
  const std::string turned = "text-anchor=\"middle\" transform=\"rotate(-90 18 " + number((top_ + bottom) / 2) + ")\"";
  out += text_at(18, (top_ + bottom) / 2, turned, y_.title);
  out += text_at((left_ + right) / 2, 26, "text-anchor=\"middle\" font-size=\"16\"", title_);
  return out;
}

std::string Plot::legend() const {
  if (entries_.empty()) return {};
  std::size_t longest = 0;
  for (const Entry& entry : entries_) longest = std::max(longest, entry.name.size());
  const double width = 44 + 8.2 * static_cast<double>(longest), height = 10 + 20 * static_cast<double>(entries_.size());
  const double x = legend_left_ ? left_ + 10 : width_ - right_ - width - 10;
  double y = top_ + 10;
  std::string out = "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(width) + "\" height=\"" +
                    number(height) + "\" rx=\"3\" fill=\"#ffffff\" fill-opacity=\"0.85\" " + "stroke=\"#bbbbbb\"/>\n";
  for (const Entry& entry : entries_) {
    y += 20;
    if (entry.line) {
      out += line_from({x + 8, y - 5}, {x + 30, y - 5}, "stroke-width=\"2\" stroke=\"" + hex(entry.colour) + "\"");
    } else {
      out += "<circle cx=\"" + number(x + 19) + "\" cy=\"" + number(y - 5) + "\" r=\"4.5\" fill=\"" +
             hex(entry.colour) + "\" stroke=\"#ffffff\"/>\n";
    }
    out += text_at(x + 36, y, "", entry.name);
  }
  return out;
}

std::string Plot::svg() const {
  const std::string size = "width=\"" + number(width_) + "\" height=\"" + number(height_) + "\"";
  const std::string inside = "x=\"" + number(left_) + "\" y=\"" + number(top_) + "\" width=\"" +
                             number(width_ - left_ - right_) + "\" height=\"" + number(height_ - top_ - bottom_) + "\"";
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" " + size + " viewBox=\"0 0 " + number(width_) + " " +
         number(height_) + "\" font-family=\"DejaVu Sans, Arial, sans-serif\" font-size=\"13\" fill=\"#222222\">\n" +
         "<rect " + size + " fill=\"#ffffff\"/>\n<clipPath id=\"inside\"><rect " + inside + "/></clipPath>\n" +
         "<g clip-path=\"url(#inside)\">\n" + body_ + "</g>\n" + frame() + legend() + "</svg>\n";
}

void Plot::write(const std::string& path) const {
  std::ofstream file(path);
  file << svg();
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace tapeloom::examples
