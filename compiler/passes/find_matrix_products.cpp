// Sums of products of numbers that are computed once a step become products of matrices, where the same vectors meet
// one another again and again: as queries and keys do.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "tapeloom/compiler/passes/gathered_rows.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

using Row = GatheredRows::Row;
using Rows = std::vector<Row>;

/// Different vectors. One that another begins with is cut short of it, and is the same.
class VectorTable {
 public:
  std::uint32_t find_or_enter(Rows rows) {
    std::vector<std::uint32_t>& known = beginning_with_[rows[0]];
    const std::size_t looked_at = std::min(known.size(), choices::most_with_one_beginning);
    for (const std::uint32_t v : std::span(known).last(looked_at)) {
      const Rows& other = vectors_[v];
      const auto common = static_cast<std::ptrdiff_t>(std::min(rows.size(), other.size()));
      if (!std::equal(rows.begin(), rows.begin() + common, other.begin())) continue;
      if (rows.size() > other.size()) vectors_[v] = std::move(rows);
      return v;
    }
    known.push_back(static_cast<std::uint32_t>(vectors_.size()));
    vectors_.push_back(std::move(rows));
    return known.back();
  }
  std::size_t size() const { return vectors_.size(); }
  const Rows& operator[](std::uint32_t v) const { return vectors_[v]; }

 private:
  std::vector<Rows> vectors_;
  std::map<Row, std::vector<std::uint32_t>> beginning_with_;
};

/// The sum of the products of the first `terms` rows of two vectors, and the row that it is.
struct Dot {
  std::uint32_t a, b, terms;
  Row row = {UINT32_MAX, 0};

  bool is_found() const { return row.first != UINT32_MAX; }
};
using Side = std::uint32_t Dot::*;
using DotList = std::vector<Dot*>;

/// Puts vectors on two sides, so that those that meet are on different ones. What has nothing to do with one another is
/// in different parts.
class Sides {
 public:
  struct Place {
    std::uint32_t part;  ///< one of its vectors
    bool other;          ///< whether it is on the other side of that
  };

  explicit Sides(std::size_t vectors) : odd_(vectors, false) {
    for (std::size_t v = 0; v < vectors; ++v) next_.push_back({static_cast<std::uint32_t>(v), false});
  }
  Place find(std::uint32_t v) {
    Place place{v, false};
    while (next_[place.part].part != place.part) {
      Place& link = next_[place.part];
      const Place after = next_[link.part];
      link = {after.part, link.other != after.other};  // which halves the way, or stays
      place = {link.part, place.other != link.other};
    }
    return place;
  }
  void meet(std::uint32_t a, std::uint32_t b) {
    const Place x = find(a), y = find(b);
    if (x.part == y.part) {
      odd_[x.part] = odd_[x.part] || x.other == y.other;
    } else {
      next_[y.part] = {x.part, x.other == y.other};
      odd_[x.part] = odd_[x.part] || odd_[y.part];
    }
  }
  /// Whether some that meet are on one side of a part.
  bool is_odd(std::uint32_t part) const { return odd_[part]; }

 private:
  std::vector<Place> next_;
  std::vector<bool> odd_;  // of each part
};

/// Makes entries of matrix products of dots.
class MatrixProducts {
 public:
  MatrixProducts(Graph& graph, GatheredRows& rows, const VectorTable& vectors, std::vector<Dot>& dots)
      : g_(graph), rows_(rows), vectors_(vectors), dots_(dots), at_(vectors.size()) {}

  /// Of those dots that most entries of a product are. All products read their vectors from one list, so that they are
  /// gathered at once, and so are their adjoints.
  bool find_any() {
    Sides sides(vectors_.size());
    for (const Dot& dot : dots_) sides.meet(dot.a, dot.b);
    std::map<std::uint32_t, DotList> parts;
    for (Dot& dot : dots_) {
      const Sides::Place place = sides.find(dot.a);
      if (sides.is_odd(place.part)) continue;
      if (place.other) std::swap(dot.a, dot.b);
      parts[place.part].push_back(&dot);
    }
    std::vector<Product> products;
    for (auto& [part, dots] : parts) plan(std::move(dots), products);
    if (products.empty()) return false;
    Rows x;
    for (const Product& product : products) append(product.places, product.terms, x);
    const View all = g_.side_by_side(rows_.view_of(x));
    std::uint32_t first = 0;
    for (const Product& product : products) {
      const auto count = static_cast<std::uint32_t>(product.places.size() * product.terms);
      write(product, all.part(first, count));
      first += count;
    }
    return true;
  }
  /// Whether there are entries that are no dots, or terms that some dots lack.
  bool any_missing() const { return missing_; }

 private:
  using Vectors = std::vector<std::uint32_t>;
  /// A vector has a matrix product for itself, at its place.
  struct Product {
    DotList dots;
    Side place, row;
    Vectors places, rows;
    std::uint32_t terms;
  };

  /// All dots of the vectors at places have all their terms; of the vectors that are the matrix, they may be without
  /// the last ones.
  void plan(DotList dots, std::vector<Product>& products) const {
    if (dots.size() < choices::least_matrix_entries) return;
    const bool a = is_whole(dots, &Dot::a), b = is_whole(dots, &Dot::b);
    if (!a && !b) return;
    // Results are in the order of places.
    const bool by_a = a && (!b || changes(dots, &Dot::a) <= changes(dots, &Dot::b));
    const Side place = by_a ? &Dot::a : &Dot::b, row = by_a ? &Dot::b : &Dot::a;
    Product product{{}, place, row, list(dots, place), list(dots, row), 0};
    const std::uint64_t entries = std::uint64_t{product.places.size()} * product.rows.size();
    if (dots.size() * choices::most_entries_a_dot < entries || entries > INT32_MAX) return;
    for (const std::uint32_t v : product.places) product.terms = std::max(product.terms, size(v));
    product.dots = std::move(dots);
    products.push_back(std::move(product));
  }
  bool is_whole(const DotList& dots, Side side) const {
    return std::ranges::all_of(dots, [&](const Dot* dot) { return dot->terms == vectors_[dot->*side].size(); });
  }
  static std::size_t changes(const DotList& dots, Side side) {
    std::size_t count = 0;
    for (std::size_t k = 1; k < dots.size(); ++k) count += dots[k]->*side != dots[k - 1]->*side;
    return count;
  }
  /// The vectors on a side, in the order of where they begin.
  Vectors list(const DotList& dots, Side side) const {
    Vectors list;
    for (const Dot* dot : dots) list.push_back(dot->*side);
    std::ranges::sort(list, {}, [&](std::uint32_t v) { return std::pair(vectors_[v][0], v); });
    list.erase(std::unique(list.begin(), list.end()), list.end());
    return list;
  }

  void write(const Product& product, const View& x) {
    const auto [first, matrix] = matrix_of(product.rows, product.terms);
    const auto places = static_cast<std::uint32_t>(product.places.size());
    const Weights weights{.matrix = matrix, .places = places, .gaps = gaps_of(product.places, product.terms)};
    const View result = g_.add_dense(first, weights, x);
    for (std::uint32_t p = 0; p < places; ++p) at_[product.places[p]] = p;
    for (std::uint32_t r = 0; r < matrix.rows; ++r) at_[product.rows[r]] = r;
    for (Dot* dot : product.dots) {
      dot->row = {result.block.index, at_[dot->*product.place] * matrix.rows + at_[dot->*product.row]};
    }
    missing_ = missing_ || product.dots.size() < result.rows || weights.gaps;
  }

  std::uint32_t size(std::uint32_t v) const { return static_cast<std::uint32_t>(vectors_[v].size()); }

  /// Entry (r, t) is row t of vector r: where they lie, if that is evenly spaced, else copied.
  std::pair<View, Matrix> matrix_of(const Vectors& vectors, std::uint32_t terms) {
    const auto rows = static_cast<std::uint32_t>(vectors.size());
    const Row first = vectors_[vectors[0]][0];
    const auto step_to = [&](const Row& next) { return next.second > first.second ? next.second - first.second : 0; };
    Matrix matrix{rows, terms, 0, 1};
    if (rows > 1) matrix.row_step = step_to(vectors_[vectors[1]][0]);
    if (terms > 1 && size(vectors[0]) > 1) matrix.term_step = step_to(vectors_[vectors[0]][1]);
    bool even = (rows == 1 || matrix.row_step > 0) && matrix.term_step > 0;
    for (std::uint32_t r = 0; r < rows && even; ++r) {
      const Rows& v = vectors_[vectors[r]];
      even = v.size() >= terms;
      for (std::uint32_t t = 0; t < terms && even; ++t) {
        even = v[t] == Row{first.first, first.second + r * matrix.row_step + t * matrix.term_step};
      }
    }
    if (even) return {{BlockId(std::size_t{first.first}), first.second, 1, 1}, matrix};
    Rows all;
    append(vectors, terms, all);
    return {g_.side_by_side(rows_.view_of(all)).part(0, 1), {rows, terms, terms, 1}};
  }

  /// Vectors one after another, each with so many rows: with zeros where it has fewer.
  void append(const Vectors& vectors, std::uint32_t terms, Rows& rows) {
    for (const std::uint32_t v : vectors) {
      const auto count = static_cast<std::ptrdiff_t>(std::min(size(v), terms));
      rows.insert(rows.end(), vectors_[v].begin(), vectors_[v].begin() + count);
      if (size(v) < terms) rows.resize(rows.size() + terms - size(v), zero());
    }
  }
  Row zero() {
    if (!zero_) zero_ = g_.add_constant(0.0);
    return {zero_->block.index, zero_->row};
  }
  std::shared_ptr<const std::vector<bool>> gaps_of(const Vectors& places, std::uint32_t terms) const {
    const auto gaps = std::make_shared<std::vector<bool>>(places.size() * terms, false);
    bool any = false;
    for (std::size_t p = 0; p < places.size(); ++p) {
      for (std::size_t t = size(places[p]); t < terms; ++t) any = (*gaps)[p * terms + t] = true;
    }
    return any ? gaps : nullptr;
  }

  Graph& g_;
  GatheredRows& rows_;
  const VectorTable& vectors_;
  std::vector<Dot>& dots_;
  Vectors at_;  // of vectors, in the product that is being written
  std::optional<View> zero_;
  bool missing_ = false;
};

/// Rewrites blocks of sums of products that nobody else reads.
class SumsOfProducts {
 public:
  SumsOfProducts(const Graph& graph) : old_(graph), uses_(count_uses(graph)) {}

  bool are(BlockId id) const {
    const BlockKind kind = old_.kind(id);
    if (kind != BlockKind::row_sum && kind != BlockKind::assemble) return false;
    if (old_[id].varying || old_[id].rows < choices::least_matrix_entries) return false;
    std::map<BlockId, std::uint32_t> reads;
    for (const View& x : old_.operands(id)) {
      if (!old_.is_op(x, Op::mul) && !old_.is_op(x, Op::square)) return false;
      ++reads[x.block];
    }
    return std::ranges::all_of(reads, [&](const auto& read) { return uses_[read.first.index] == read.second; });
  }

  /// The same sums, of operands in another graph; or nothing.
  View rewrite(Graph& out, GatheredRows& rows, BlockId id, std::span<const View> operands, bool& missing) const {
    std::vector<std::pair<Rows, Rows>> sums(old_[id].rows);
    const std::uint32_t terms = operands[0].rows / old_[id].rows;  // of each row sum
    for (std::size_t k = 0; k < operands.size(); ++k) {
      const View x = operands[k];
      const std::size_t arity = out.operands(x.block).size();
      const View a = out.behind(x, 0), b = out.behind(x, arity - 1);
      for (const View& factor : {a, b}) {
        if (out.kind(factor.block) == BlockKind::concat) rows.enter(factor.block);
      }
      const Rows rows_a = rows.behind(a), rows_b = rows.behind(b);
      for (std::uint32_t r = 0; r < x.rows; ++r) {
        const bool even = old_.kind(id) == BlockKind::row_sum;
        auto& [of_a, of_b] = sums[even ? r / terms : old_.destination(id, k).of_row(r)];
        of_a.push_back(rows_a[r]), of_b.push_back(rows_b[r]);
      }
    }
    VectorTable vectors;
    std::vector<Dot> dots;
    for (auto& [a, b] : sums) {
      if (a.empty()) return nothing;
      const auto count = static_cast<std::uint32_t>(a.size());
      const std::uint32_t of_a = vectors.find_or_enter(std::move(a));
      dots.push_back({of_a, vectors.find_or_enter(std::move(b)), count});
    }
    MatrixProducts products(out, rows, vectors, dots);
    if (!products.find_any()) return nothing;
    missing = missing || products.any_missing();
    add_others(out, rows, vectors, dots);
    Rows results;
    for (const Dot& dot : dots) results.push_back(dot.row);
    return rows.view_of(results);
  }

 private:
  /// Dots of no matrix product stay sums of products.
  static void add_others(Graph& out, GatheredRows& rows, const VectorTable& vectors, std::vector<Dot>& dots) {
    DotList others;
    Rows a, b;
    for (Dot& dot : dots) {
      if (dot.is_found()) continue;
      others.push_back(&dot);
      const auto append = [&](Rows& to, const Rows& v) { to.insert(to.end(), v.begin(), v.begin() + dot.terms); };
      append(a, vectors[dot.a]), append(b, vectors[dot.b]);
    }
    if (others.empty()) return;
    const View products = out.add_elementwise(Op::mul, {rows.view_of(a), rows.view_of(b)});
    const auto count = static_cast<std::uint32_t>(others.size());
    std::vector<View> parts;
    std::vector<Destination> destinations;
    std::uint32_t first = 0;
    for (const Dot* dot : others) {
      destinations.push_back({static_cast<std::uint32_t>(parts.size()), {1, dot->terms, 0, 0}});
      parts.push_back(products.part(first, dot->terms));
      first += dot->terms;
    }
    const bool even = std::ranges::all_of(others, [&](const Dot* dot) { return dot->terms == others[0]->terms; });
    const View sums = even ? out.add_row_sum(products, count) : out.add_assemble(count, parts, destinations);
    for (std::uint32_t k = 0; k < count; ++k) others[k]->row = {sums.block.index, sums.row + k};
  }

  const Graph& old_;
  LargeVector<std::uint32_t> uses_;
};

}  // namespace

Graph find_matrix_products(Graph graph, bool& any_missing) {
  const SumsOfProducts sums(graph);
  const auto are_sums = [&](BlockId id) { return sums.are(id); };
  if (!any_block(graph, are_sums)) return graph;
  std::optional<GatheredRows> rows;  // of the graph that is being written
  return rebuild(graph, are_sums, [&](Graph& out, BlockId id, std::span<const View> operands) {
    if (!rows) rows.emplace(out);
    return sums.rewrite(out, *rows, id, operands, any_missing);
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
