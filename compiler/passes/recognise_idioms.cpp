// Functions of the op table that are written through other functions.
#include <cmath>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "tapeloom/compiler/passes/exponentials.h"
#include "tapeloom/compiler/passes/gathered_rows.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Follows what blocks of the new graph compute, as far as they are quotients of exponentials, and says which function
/// of the op table that is.
class Recogniser {
 public:
  explicit Recogniser(Graph& graph) : g_(graph), rows_(graph) {}

  /// What stands for op(operands...), or nothing. It has to be told of each block, with the view that came of it.
  View idiom(Op op, std::span<const View> operands) {
    latest_.reset();
    const View rectified = relu(op, operands);
    if (rectified != nothing) return rectified;
    if (op == Op::log) return log(of(operands[0]), 0.0);
    if (op == Op::log1p) return log(of(operands[0]), 1.0);
    latest_ = follow(op, operands);
    if (!latest_) {
      const View result = op == Op::div ? divided_by_sum(operands) : nothing;
      return result == nothing ? of_parts(op, operands) : result;
    }
    const View result = function(*latest_);
    if (result != nothing) latest_->recognised = true;
    return result;
  }

  /// It has to be told of each concat block, too.
  void gathered(BlockId concat) { rows_.enter(concat); }

  void stands(const View& rows) {
    if (!latest_ || latest_->x == nothing || rows != g_.all(rows.block)) return;
    known_.insert_or_assign(rows.block.index, *latest_);
  }

 private:
  // --- what rows compute --------------------------------------------------------------------------------------------

  /// Rows of blocks of e^x, gathered, as those of one.
  std::optional<Quotient> of_gathered(const View& rows) {
    const std::vector<GatheredRows::Row> gathered = rows_.behind(rows);
    std::vector<GatheredRows::Row> exponents, xs;
    std::optional<double> multiple;
    bool one_multiple = true;
    for (const auto& [block, row] : gathered) {
      const auto at = known_.find(block);
      if (at == known_.end()) return std::nullopt;
      if (!g_.is_op(g_.all(BlockId(std::size_t{block})), Op::exp)) return of_one_block(gathered);
      const Quotient& e = at->second;
      const View exponent = e.exponent.part(row, 1), x = e.x.part(row, 1);
      exponents.push_back(rows_.behind(exponent.block, exponent.row));
      xs.push_back(rows_.behind(x.block, x.row));
      one_multiple = one_multiple && multiple.value_or(e.multiple) == e.multiple;
      multiple = e.multiple;
    }
    if (!one_multiple || *multiple == 1.0) return exponential(rows_.view_of(exponents));
    Quotient result = exponential(rows_.view_of(xs));
    result.exponent = rows_.view_of(exponents);
    result.multiple *= *multiple;
    if (!std::isfinite(result.multiple) || result.multiple == 0.0) return exponential(result.exponent);
    result.above = {1.0, result.multiple};
    return result;
  }

  /// Rows of one block, in any order.
  std::optional<Quotient> of_one_block(const std::vector<GatheredRows::Row>& gathered) {
    const auto at = known_.find(gathered[0].first);
    if (at == known_.end()) return std::nullopt;
    Quotient result = at->second;
    std::vector<GatheredRows::Row> exponents, xs;
    for (const auto& [block, row] : gathered) {
      if (block != gathered[0].first) return std::nullopt;
      const View exponent = result.exponent.part(row, 1), x = result.x.part(row, 1);
      exponents.push_back(rows_.behind(exponent.block, exponent.row));
      xs.push_back(rows_.behind(x.block, x.row));
    }
    result.x = rows_.view_of(xs), result.exponent = rows_.view_of(exponents);
    return result;
  }

  bool is_number(const View& x) const { return g_.is_constant(x) && g_.is_constant(x, g_.constant(x, 0)); }

  std::optional<Quotient> of(const View& rows) {
    if (rows_.are_gathered(rows)) return of_gathered(rows);
    std::optional<Quotient> result = simply_of(rows);
    if (result || g_[rows.block].kind != BlockKind::elementwise || !follows(g_[rows.block].op)) return result;
    // With another number for each row, as in [e - 1, e + 1], only single rows are something.
    const View last = g_.behind(rows, g_.operands(rows.block).size() - 1);
    const std::optional<Quotient> a = simply_of(g_.behind(rows, 0)), b = simply_of(last);
    return a && b ? followed(g_[rows.block].op, *a, *b) : std::nullopt;
  }

  std::optional<Quotient> simply_of(const View& rows) {
    if (is_number(rows)) return Quotient::number(g_.constant(rows, 0));
    const auto at = known_.find(rows.block.index);
    if (at == known_.end()) return std::nullopt;
    Quotient result = at->second;
    result.x = rows_.source(result.x.through(rows)), result.exponent = result.exponent.through(rows);
    return result;
  }

  /// e^exponent, by way of what the exponent is a multiple of.
  Quotient exponential(const View& exponent) {
    View x = rows_.source(exponent);
    double multiple = 1.0;
    for (int level = 0; level < choices::most_factors; ++level) {
      double factor = 0.0;
      const View y = multiplied(x, factor);
      if (y == nothing || !std::isfinite(multiple * factor) || multiple * factor == 0.0) break;
      x = rows_.source(y), multiple *= factor;
    }
    return {x, exponent, multiple, {1.0, multiple}, {1.0, 0.0}};
  }

  /// y, where x is factor * y; or nothing.
  View multiplied(const View& x, double& factor) const {
    if (g_.is_op(x, Op::neg)) return factor = -1.0, g_.behind(x, 0);
    const bool product = g_.is_op(x, Op::mul), sum = g_.is_op(x, Op::add);
    if (!product && !sum && !g_.is_op(x, Op::div)) return nothing;
    const View a = g_.behind(x, 0), b = g_.behind(x, 1);
    if (sum) return factor = 2.0, a == b ? a : nothing;
    if (product && is_number(a)) return factor = g_.constant(a, 0), b;
    if (!is_number(b)) return nothing;
    return factor = product ? g_.constant(b, 0) : 1.0 / g_.constant(b, 0), a;
  }

  std::optional<Quotient> follow(Op op, std::span<const View> operands) {
    if (op == Op::exp) return exponential(operands[0]);
    if (op == Op::expm1) return add(exponential(operands[0]), Quotient::number(1.0), -1.0);
    if (op == Op::sigmoid) {
      std::optional<Quotient> e = exponential(operands[0]);
      e = divide(*e, *add(*e, Quotient::number(1.0), 1.0));
      if (e) e->recognised = true;
      return e;
    }
    if (!follows(op)) return std::nullopt;
    std::optional<Quotient> a = of(operands.front()), b = a ? of(operands.back()) : a;
    if (!b) return b;
    if (common_x(*a, *b) == nullptr) find_common_x(operands.front(), *a, operands.back(), *b);
    return followed(op, *a, *b);
  }

  /// Of e^kx with another k for each row of both, the exponents of that which comes first in the graph are an x of both
  /// where those of the other are the same multiple of them everywhere.
  void find_common_x(const View& of_a, Quotient& a, const View& of_b, Quotient& b) {
    a = of_own_power(of_a, a), b = of_own_power(of_b, b);
    if (common_x(a, b) != nullptr || !g_.is_op(of_a, Op::exp) || !g_.is_op(of_b, Op::exp)) return;
    const bool swapped = std::pair(b.exponent.block, b.exponent.row) < std::pair(a.exponent.block, a.exponent.row);
    Quotient &first = swapped ? b : a, &other = swapped ? a : b;
    std::optional<double> ratio;
    for (std::uint32_t r = 0; r < of_a.rows; ++r) {
      const Quotient one = exponential(first.exponent.part(r, 1)), two = exponential(other.exponent.part(r, 1));
      const double of_row = two.multiple / one.multiple;
      if (one.x != two.x || ratio.value_or(of_row) != of_row) return;
      ratio = of_row;
    }
    if (!std::isfinite(*ratio) || *ratio == 0.0) return;
    const View x = rows_.source(first.exponent);
    first = {x, first.exponent, 1.0, {1.0, 1.0}, {1.0, 0.0}};
    other = {x, other.exponent, *ratio, {1.0, *ratio}, {1.0, 0.0}};
  }

  /// Rows of a block of e^kx may be of one x and another k each, where the block as a whole is not.
  Quotient of_own_power(const View& rows, const Quotient& known) {
    return g_.is_op(rows, Op::exp) ? exponential(known.exponent) : known;
  }

  static std::optional<Quotient> followed(Op op, const Quotient& a, const Quotient& b) {
    if (a.x == nothing && b.x == nothing) return std::nullopt;
    std::optional<Quotient> result = computed(op, a, b);
    // One less a sigmoid that is there is cheaper than another sigmoid; but its logarithm shall be known.
    const auto free_of_exp = [](const Quotient& x) { return x.x == nothing || x.recognised; };
    if (result && result->above.size() == 1) result->recognised = free_of_exp(a) && free_of_exp(b);
    return result;
  }

  static std::optional<Quotient> computed(Op op, const Quotient& a, const Quotient& b) {
    if (op == Op::neg) return multiply(a, Quotient::number(-1.0));
    if (op == Op::square || op == Op::mul) return multiply(a, b);
    if (op == Op::add) return add(a, b, 1.0);
    if (op == Op::sub) return add(a, b, -1.0);
    if (op == Op::div) return divide(a, b);
    const bool inverse = op == Op::pow && b.x == nothing && b.above.is(-1.0, 0.0);
    return inverse ? divide(Quotient::number(1.0), a) : std::nullopt;
  }

  static bool follows(Op op) {
    return op == Op::neg || op == Op::square || op == Op::add || op == Op::sub || op == Op::mul || op == Op::div ||
           op == Op::pow;
  }

  // --- which function that is ---------------------------------------------------------------------------------------

  /// k sigmoid(q x) = k / (1 + e^-qx), or k tanh(q x / 2) = k (e^qx - 1) / (e^qx + 1).
  View function(const Quotient& f) {
    if (f.recognised || !is_one_more(f.below)) return nothing;
    const double q = f.below[1].power;
    if (f.above.size() == 1) {
      const auto [k, power] = f.above[0];
      if (power != 0.0 && power != q) return nothing;
      return times(k, call(Op::sigmoid, f, power == 0.0 ? -q : q));
    }
    const auto [low, power] = f.above[0];
    const double k = f.above[1].factor;
    if (power != 0.0 || f.above[1].power != q || low != -k) return nothing;
    return times(k, call(Op::tanh, f, q / 2));
  }

  static bool is_one_more(const Exponentials& e) {
    return e.size() == 2 && e[0] == Exponentials::Term{1.0, 0.0} && e[1].factor == 1.0;
  }

  /// softplus(q x) = log(1 + e^qx), and log(sigmoid(q x)) = -softplus(-q x); of `more` than f.
  View log(std::optional<Quotient> f, double more) {
    if (f && more != 0.0) f = add(*f, Quotient::number(more), 1.0);
    if (!f || f->x == nothing) return nothing;
    if (is_one_more(f->below) && f->above.size() == 1 && f->above[0].factor == 1.0) {
      const double q = f->below[1].power, power = f->above[0].power;
      if (power != 0.0 && power != q) return nothing;
      return negated(call(Op::softplus, *f, power == 0.0 ? q : -q));
    }
    if (!f->below.is(1.0, 0.0) || f->above.size() != 2) return nothing;
    const auto [first, p] = f->above[0];
    const auto [second, q] = f->above[1];
    if (first != 1.0 || second != 1.0 || (p != 0.0 && q != 0.0)) return nothing;
    return call(Op::softplus, *f, p == 0.0 ? q : p);
  }

  /// y / (1 + e^qx) = y sigmoid(-q x).
  View divided_by_sum(std::span<const View> operands) {
    const std::optional<Quotient> f = of(operands[1]);
    if (!f || f->x == nothing || is_number(operands[0]) || !f->below.is(1.0, 0.0) || f->above.size() != 2) {
      return nothing;
    }
    std::optional<Quotient> inverse = divide(Quotient::number(1.0), *f);
    const View factor = inverse ? function(*inverse) : nothing;
    if (factor == nothing) return nothing;
    inverse->recognised = true;
    // Single rows of the product may be known, where y has another number for each.
    if (factor == g_.all(factor.block)) known_.insert_or_assign(factor.block.index, *inverse);
    return g_.add_elementwise(Op::mul, {operands[0], factor});
  }

  /// The forms of max(0, x) whose derivative at 0 is 0, too.
  View relu(Op op, std::span<const View> x) {
    if (op == Op::max && g_.is_constant(x[0], 0.0)) return call(Op::relu, x[1]);
    if (op == Op::where && g_.is_constant(x[1], 0.0) && is_at_most_zero(x[0], x[2])) return call(Op::relu, x[2]);
    if (op == Op::mul && is_positive(x[0], x[1])) return call(Op::relu, x[1]);
    if (op == Op::mul && is_positive(x[1], x[0])) return call(Op::relu, x[0]);
    return nothing;
  }

  bool compares(const View& condition, Op op, const View& x, bool swapped) const {
    return g_.is_op(condition, op) && g_.behind(condition, swapped) == x &&
           g_.is_constant(g_.behind(condition, !swapped), 0.0);
  }
  bool is_positive(const View& condition, const View& x) const {
    return compares(condition, Op::greater, x, false) || compares(condition, Op::less, x, true);
  }
  bool is_at_most_zero(const View& condition, const View& x) const {
    return compares(condition, Op::less_equal, x, false) || compares(condition, Op::greater_equal, x, true);
  }

  /// Of rows that were gathered from blocks of which each computes something else, where those of all are functions.
  View of_parts(Op op, std::span<const View> operands) {
    if (operands.size() != 2 || !follows(op)) return nothing;
    if (!rows_.are_gathered(operands[0]) && !rows_.are_gathered(operands[1])) return nothing;
    const std::vector<GatheredRows::Row> a = rows_.behind(operands[0]), b = rows_.behind(operands[1]);
    struct Part {
      std::vector<GatheredRows::Row> a, b;
      View result = nothing;
    };
    std::map<std::pair<std::uint32_t, std::uint32_t>, Part> parts;
    for (std::size_t r = 0; r < a.size(); ++r) {
      Part& part = parts[{a[r].first, b[r].first}];
      part.a.push_back(a[r]), part.b.push_back(b[r]);
    }
    if (parts.size() == 1) return nothing;
    for (auto& [blocks, part] : parts) {
      const View both[] = {rows_.view_of(part.a), rows_.view_of(part.b)};
      const std::optional<Quotient> of_part = follow(op, both);
      part.result = of_part ? function(*of_part) : nothing;
      if (part.result == nothing) return nothing;
    }
    std::vector<GatheredRows::Row> rows;
    for (std::size_t r = 0; r < a.size(); ++r) {
      View& result = parts[{a[r].first, b[r].first}].result;
      rows.emplace_back(result.block.index, result.row);
      result.row += result.step;
    }
    return rows_.view_of(rows);
  }

  // --- writing it ---------------------------------------------------------------------------------------------------

  View call(Op op, const Quotient& f, double multiple) { return call(op, multiple_of(f, multiple)); }

  /// The same call twice is made once, since nothing may merge them after this pass.
  View call(Op op, const View& x) {
    const auto [at, is_new] = calls_.try_emplace({static_cast<int>(op), x.block.index, x.row, x.rows, x.step}, nothing);
    if (is_new) at->second = g_.add_elementwise(op, {x});
    return at->second;
  }

  View multiple_of(const Quotient& f, double multiple) {
    if (multiple == 1.0) return f.x;
    if (multiple == f.multiple) return f.exponent;
    return times(multiple, f.x);
  }

  View times(double k, const View& x) {
    if (k == 1.0) return x;
    if (k == -1.0) return negated(x);
    return g_.add_elementwise(Op::mul, {g_.add_constant(k).repeated(x.rows), x});
  }

  View negated(const View& x) { return call(Op::neg, x); }

  Graph& g_;
  GatheredRows rows_;
  std::unordered_map<std::uint32_t, Quotient> known_;  // of blocks of the new graph; looked up, never walked
  std::map<std::tuple<int, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>, View> calls_;
  std::optional<Quotient> latest_;
};

/// True for the ops without which there is no idiom.
bool may_begin(const Block& block) {
  if (block.kind != BlockKind::elementwise) return false;
  return block.op == Op::exp || block.op == Op::expm1 || block.op == Op::sigmoid || block.op == Op::max ||
         op_kind(block.op) == OpKind::comparison;
}

}  // namespace

Graph recognise_idioms(Graph graph) {
  if (!any_block(graph, [&](BlockId id) { return may_begin(graph[id]); })) return graph;
  std::optional<Recogniser> recogniser;
  return rebuild(graph, [&](Graph& out, BlockId id, std::span<const View> operands) {
    if (!recogniser) recogniser.emplace(out);
    if (graph[id].kind != BlockKind::elementwise) {
      const View copy = out.add_copy(graph, id, operands);
      if (out.kind(copy.block) == BlockKind::concat && copy == out.all(copy.block)) recogniser->gathered(copy.block);
      return copy;
    }
    View rows = recogniser->idiom(graph[id].op, operands);
    if (rows == nothing) rows = out.add_copy(graph, id, operands);
    recogniser->stands(rows);
    return rows;
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
