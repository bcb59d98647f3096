// Small pictures as SVG: lines, points, a coloured field and its contour on two axes. No library needed to draw them.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapeloom::examples {

struct Point {
  double x, y;
};

/// Red, green and blue from 0 to 255.
struct Colour {
  double red, green, blue;
};

/// `from` at t = 0 to `to` at t = 1; t is clamped.
Colour mix(Colour from, Colour to, double t);

struct Axis {
  double lower, upper;
  std::string title = {};
};

/// Numbers on a grid over the whole of both axes: columns x rows, rows from the bottom up, at the cells' middles.
struct Field {
  std::size_t columns, rows;
  std::vector<double> numbers;

  double at(std::size_t column, std::size_t row) const { return numbers[row * columns + column]; }
};

/// Draws in the order of the calls, within the frame of the axes; write() adds title, axes and legend.
class Plot {
 public:
  Plot(std::string title, Axis x, Axis y, double width = 640, double height = 480);

  /// The middle of a cell of a field with that many columns and rows.
  Point cell(std::size_t column, std::size_t row, std::size_t columns, std::size_t rows) const;

  /// Fills every cell with the colour of its number.
  void field(const Field& field, const std::function<Colour(double)>& colour);
  /// The line along which a field has the number `level`.
  void contour(const Field& field, double level, Colour colour, double width = 2);
  void grid();
  /// A line with a name goes into the legend, as do points.
  void line(std::span<const Point> points, Colour colour, std::string_view name = {}, double width = 2);
  void points(std::span<const Point> points, Colour colour, std::string_view name = {}, double radius = 4);

  /// Puts the legend into the upper left corner instead of the upper right.
  void legend_to_the_left() { legend_left_ = true; }

  std::string svg() const;
  /// Throws std::runtime_error where the file cannot be written.
  void write(const std::string& path) const;

 private:
  struct Entry {
    Colour colour;
    std::string name;
    bool line;
  };

  double x_pixel(double x) const;
  double y_pixel(double y) const;
  std::string frame() const;
  std::string legend() const;

  std::string title_;
  Axis x_, y_;
  double width_, height_;
  bool legend_left_ = false;
  double left_ = 62, right_ = 22, top_ = 44, bottom_ = 54;
  std::string body_;
  std::vector<Entry> entries_;
};

/// Round numbers within the axis, about `count` of them.
std::vector<double> ticks(const Axis& axis, int count = 6);

}  // namespace tapeloom::examples
