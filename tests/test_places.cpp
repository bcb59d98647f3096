// Where rolling puts recorded nodes: every live node of random programs and nets is recomputed from its block and
// coordinate and held against evaluate(). The blocks are computed here, in plain loops, without the compiler's passes
// or the runtime.
#include <cstdio>
#include <optional>

#include "catch.h"
#include "fuzz/generator.h"
#include "random_net.h"
#include "tapeloom/compiler/fold/fold_samples.h"
#include "tapeloom/compiler/request/request.h"
#include "tapeloom/compiler/roll/roll.h"
#include "tapeloom/core/record/evaluate.h"

using namespace tapeloom;
using namespace tapeloom::test;
using namespace tapeloom::compiler;

namespace {

/// What evaluate() computes for the nodes of a tape: one number a sample each.
class Reference {
 public:
  Reference(Tape& tape, NodeId loss, const Batch& batch) : nodes_(tape.size()), samples_(batch.samples) {
    std::vector<Value> all;
    for (std::size_t i = 0; i < nodes_; ++i) all.push_back(tape.value(NodeId(i)));
    numbers_ = evaluate(tape.value(loss), batch, all).outputs;
    for (double number : numbers_) {
      if (std::isfinite(number)) largest_ = std::fmax(largest_, std::fabs(number));
    }
  }

  double at(NodeId node, std::size_t sample) const { return numbers_[sample * nodes_ + node.index]; }
  std::size_t nodes() const { return nodes_; }
  std::size_t samples() const { return samples_; }
  /// Sums are added up in another order; their terms are nodes too.
  Bound bound() const { return {.absolute = 0x1p-50 * largest_ * static_cast<double>(nodes_ + samples_)}; }

 private:
  std::size_t nodes_, samples_;
  std::vector<double> numbers_;
  double largest_ = 1.0;
};

/// Computes the blocks of a rolled graph one after another. A row where a recorded node stands is compared with the
/// reference and then set to it, so that each block is computed from what its operands should be.
class Recomputation {
 public:
  Recomputation(const Rolled& rolled, const Tape& tape, const Batch& batch, const Reference& reference)
      : g_(rolled.graph), tape_(tape), batch_(batch), reference_(reference), standing_(g_.size()) {
    for (std::size_t i = 0; i < rolled.coordinates.size(); ++i) {
      const Coordinate at = rolled.coordinates[i];
      if (at.block != Placer::nowhere) standing_[at.block].push_back({at.row, NodeId(i)});
    }
  }

  void run() {
    for (std::size_t b = 0; b < g_.size(); ++b) {
      const BlockId id(b);
      values_.emplace_back(g_[id].rows * samples());
      compute(id);
      for (const auto& [row, node] : standing_[b]) {
        for (std::size_t s = 0; s < samples(); ++s) {
          double& got = values_[b].at(row * samples() + s);
          const double expected = reference_.at(node, s);
          if (!close(got, expected, reference_.bound())) wrong_.push_back(node);
          got = expected;
        }
        ++compared_;
      }
    }
  }

  std::size_t compared() const { return compared_; }
  /// The nodes whose blocks compute something else.
  const std::vector<NodeId>& wrong() const { return wrong_; }

 private:
  std::size_t samples() const { return batch_.samples; }
  double read(const View& x, std::size_t row, std::size_t s) const {
    return values_[x.block.index][(x.row + row * x.step) * samples() + s];
  }
  double operand(BlockId id, std::size_t k, std::size_t row, std::size_t s) const {
    return read(g_.operand(id, k), row, s);
  }

  void compute(BlockId id) {
    for (std::size_t row = 0; row < g_[id].rows; ++row) {
      for (std::size_t s = 0; s < samples(); ++s) values_.back()[row * samples() + s] = number(id, row, s);
    }
  }

  double number(BlockId id, std::size_t row, std::size_t s) const {
    const Block& block = g_[id];
    double sum = 0.0;
    switch (block.kind) {
      case BlockKind::constant:
        return g_.numbers(id)[row];
      case BlockKind::parameter:
        return tape_.data(tape_.parameters()[block.payload + row].node);
      case BlockKind::input:
      case BlockKind::row:
        return batch_.rows[s * tape_.input_nodes().size() + block.payload + row];
      case BlockKind::uniform_input:
        return tape_.data(tape_.uniform_inputs()[block.payload + row].node);
      case BlockKind::samples:
        return static_cast<double>(samples());
      case BlockKind::elementwise: {
        std::array<double, 3> x{};
        for (std::size_t k = 0; k < g_.operands(id).size(); ++k) x[k] = operand(id, k, row, s);
        return forward_op(block.op, x);
      }
      case BlockKind::batch_sum:
        for (std::size_t sample = 0; sample < samples(); ++sample) sum += operand(id, 0, row, sample);
        return sum;
      case BlockKind::row_sum:
        for (std::size_t i = 0, terms = g_.operand(id, 0).rows / block.rows; i < terms; ++i) {
          sum += operand(id, 0, row * terms + i, s);
        }
        return sum;
      case BlockKind::row_extreme: {
        const std::size_t terms = g_.operand(id, 0).rows / block.rows;
        double extreme = operand(id, 0, row * terms, s);
        for (std::size_t i = 1; i < terms; ++i) {
          const std::array<double, 3> x = {extreme, operand(id, 0, row * terms + i, s), 0.0};
          extreme = forward_op(block.op, x);
        }
        return extreme;
      }
      case BlockKind::concat:
        for (const View& part : g_.operands(id)) {
          if (row < part.rows) return read(part, row, s);
          row -= part.rows;
        }
        break;
      case BlockKind::dense: {
        const Matrix& w = g_.weights(id).matrix;
        const std::size_t place = row / w.rows, of_weights = g_.weights(id).own ? row : row % w.rows;
        View weight = g_.operand(id, 0);
        for (std::size_t j = 0; j < w.terms; ++j) {
          const std::size_t entry = of_weights * w.row_step + j * w.term_step;
          weight.step = 1;
          sum += read(weight, entry, s) * operand(id, 1, place * w.terms + j, s);
        }
        return sum;
      }
      case BlockKind::assemble:
        for (std::size_t k = 0; k < g_.operands(id).size(); ++k) {
          const auto& [to, shape] = g_.destination(id, k);
          for (std::size_t r = 0; r < g_.operand(id, k).rows; ++r) {
            if (to + r / shape.terms * shape.row_step + r % shape.terms * shape.term_step == row) {
              sum += operand(id, k, r, s);
            }
          }
        }
        return sum;
      case BlockKind::row_extreme_reverse:
      case BlockKind::dense_reverse:
      case BlockKind::outer:
        break;
    }
    FAIL("rolling makes no such block:\n" << to_string(g_));
    return 0.0;
  }

  const Graph& g_;
  const Tape& tape_;
  const Batch& batch_;
  const Reference& reference_;
  std::vector<std::vector<std::pair<std::uint32_t, NodeId>>> standing_;  // rows and nodes, of each block
  std::vector<std::vector<double>> values_;                              // rows x samples, of each block
  std::size_t compared_ = 0;
  std::vector<NodeId> wrong_;
};

/// How often the roots and other live nodes use each node; the roots twice, as nobody may swallow them.
std::vector<std::size_t> count_uses(const Tape& tape, const std::vector<NodeId>& roots) {
  std::vector<std::size_t> uses(tape.size(), 0);
  for (NodeId root : roots) uses[root.index] += 2;
  for (std::size_t i = tape.size(); i-- > 0;) {
    if (uses[i] == 0 || op_kind(tape.op(NodeId(i))) == OpKind::leaf) continue;
    for (NodeId x : tape.operands(NodeId(i))) ++uses[x.index];
  }
  return uses;
}

Request request_for(Tape& tape, NodeId loss, const std::vector<NodeId>& outputs) {
  const Value value = tape.value(loss);
  std::vector<Value> values;
  for (NodeId output : outputs) values.push_back(tape.value(output));
  return resolve(&value, values, {});
}

/// Nothing is missing: what has no place is dead, a constant, or a term or partial sum that one sum alone uses; or a
/// partial maximum or minimum.
void expect_all_placed(const Rolled& rolled, const Request& request) {
  const Tape& tape = request.tape();
  std::vector<NodeId> roots(request.outputs().begin(), request.outputs().end());
  roots.push_back(*request.loss());
  roots.insert(roots.end(), request.conditions().begin(), request.conditions().end());
  const std::vector<std::size_t> uses = count_uses(tape, roots);
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const Op op = tape.op(NodeId(i));
    if (uses[i] == 0 || op == Op::constant) continue;
    REQUIRE(i < rolled.coordinates.size());
    if (rolled.coordinates[i].block != Placer::nowhere) continue;
    INFO("%" << i);
    const bool part_of_sum = op == Op::add || op == Op::sub || op == Op::neg || op == Op::mul;
    const bool part_of_extreme = op == Op::max || op == Op::min;
    REQUIRE(((part_of_sum || part_of_extreme) && uses[i] == 1));
  }
}

struct Counts {
  std::size_t nodes = 0, compared = 0, several_rows = 0, folded = 0, refused = 0, not_recorded = 0;
};

void check(Tape& tape, NodeId loss, const std::vector<NodeId>& outputs, const Batch& batch, Counts& counts) {
  std::optional<Reference> reference;
  try {
    reference.emplace(tape, loss, batch);
  } catch (const GuardError&) {
    ++counts.refused;
    return;
  }
  const Request request = request_for(tape, loss, outputs);
  const Rolled rolled = roll_by_history(request);
  expect_all_placed(rolled, request);
  counts.nodes += request.live_nodes().all;
  Recomputation recomputation(rolled, tape, batch, *reference);
  recomputation.run();
  counts.compared += recomputation.compared();
  if (!recomputation.wrong().empty()) {
    INFO("%" << recomputation.wrong()[0].index << " is something else in\n" << to_string(rolled.graph));
    REQUIRE(recomputation.wrong().empty());
  }
  for (const Coordinate& place : rolled.coordinates)
    counts.several_rows += place.block != Placer::nowhere && place.row > 0;
  const auto expect_at = [&](NodeId node, const View& root) {
    CHECK(root.rows == 1);
    if (tape.op(node) == Op::constant) {
      REQUIRE(rolled.graph.is_constant(root));
      CHECK(same_bits(rolled.graph.constant(root, 0), tape.data(node)));
    } else {
      CHECK(rolled.coordinates[node.index] == Coordinate{root.block.index, root.row});
    }
  };
  expect_at(loss, rolled.graph.roots.loss);
  for (std::size_t i = 0; i < outputs.size(); ++i) expect_at(outputs[i], rolled.graph.roots.outputs[i]);
}

}  // namespace

TEST_CASE("places: every node of random programs is what its block and coordinate compute") {
  Counts counts;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    INFO("program of seed " << seed);
    const fuzz::Script script = fuzz::generate(seed, fuzz::Numbers::smooth).script;
    fuzz::Recording recorded;
    try {
      recorded = fuzz::record(script);
    } catch (const RecordingError&) {  // a branch has chosen what all samples share: nothing to reduce
      ++counts.not_recorded;
      continue;
    }
    std::vector<NodeId> outputs;
    for (Value output : recorded.outputs) outputs.push_back(output.id());
    Batch batch;
    if (!script.recorded) batch.rows = script.rows, batch.samples = script.samples;
    check(*recorded.tape, recorded.loss.id(), outputs, batch, counts);
  }
  std::printf("places: %zu of %zu live nodes of random programs compared\n", counts.compared, counts.nodes);
  CHECK(counts.not_recorded < 4);
  CHECK(counts.compared > counts.nodes / 3);
}

TEST_CASE("places: every node of random nets is what its block and coordinate compute") {
  Counts counts;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    Net net;
    NetWriter(random, net).write();
    INFO("net of seed " << seed << ": " << net.story);
    const Problem& p = net.problem;
    const std::size_t samples = std::min<std::size_t>(p.samples, 5);
    std::vector<NodeId> outputs;
    for (Value output : p.outputs) outputs.push_back(output.id());
    const std::vector<double> rows(
        p.rows.begin(), p.rows.begin() + static_cast<std::ptrdiff_t>(samples * net.tape.input_nodes().size()));
    check(net.tape, p.loss.id(), outputs, {.rows = rows, .samples = samples}, counts);

    // The same of samples that are folded; the folded loss is that of the recording.
    const std::optional<FoldedSamples> folded = fold_samples(request_for(net.tape, p.loss.id(), outputs));
    if (!folded) continue;
    INFO("folded");
    ++counts.folded;
    const Batch batch{.rows = folded->rows, .samples = folded->samples};
    check(*folded->tape, *folded->request.loss(), {}, batch, counts);
    const double loss = evaluate(folded->tape->value(*folded->request.loss()), batch).root[0];
    const double expected = evaluate(p.loss, {}).root[0];
    CHECK(close(loss, expected, 1e-10, 1e-10));
  }
  std::printf(
      "places: %zu of %zu live nodes of random nets compared, %zu of them not in a first row; %zu nets folded\n",
      counts.compared, counts.nodes, counts.several_rows, counts.folded);
  CHECK(counts.compared > counts.nodes / 3);
  CHECK(counts.several_rows > counts.compared / 2);
  CHECK(counts.folded > 30);
  CHECK(counts.refused < 30);
}

TEST_CASE("places: the comparison notices a node at a wrong place") {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 3);
  std::vector<Value> h;
  for (std::size_t i = 0; i < 3; ++i) h.push_back(tanh(tape.parameter(0.5 + static_cast<double>(i)) * x[i]));
  const NodeId loss = batch_mean(h[0] - 2.0 * h[1] + 3.0 * h[2]).id();
  const Request request = request_for(tape, loss, {});
  Rolled rolled = roll_by_history(request);
  const Coordinate first = rolled.coordinates[h[0].id().index], second = rolled.coordinates[h[1].id().index];
  REQUIRE(first.block == second.block);
  REQUIRE(first.row != second.row);
  const std::vector<double> row = {0.1, 0.2, 0.3};
  const Batch batch{.rows = row, .samples = 1};
  const Reference reference(tape, loss, batch);
  const auto wrong = [&] {
    Recomputation recomputation(rolled, tape, batch, reference);
    recomputation.run();
    return recomputation.wrong();
  };
  CHECK(wrong().empty());
  std::swap(rolled.coordinates[h[0].id().index], rolled.coordinates[h[1].id().index]);
  const std::vector<NodeId> found = wrong();
  REQUIRE(found.size() == 3);  // and the sum that reads them
  CHECK(found[0] == h[0].id());
  CHECK(found[1] == h[1].id());
}
