#include "tapeloom/compiler/emit/instruction_writer.h"

#include <algorithm>
#include <utility>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/lists.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Rows are added one after another where that is estimated to take so much less time than lists, which take one
/// instruction: half of it, or where costs alone do not decide, an eighth, and then never more parts than this.
constexpr double lists_preferred = 2.0, lists_much_preferred = 8.0;
constexpr std::size_t some_parts = 8;

std::uint32_t count(const auto& list) { return static_cast<std::uint32_t>(list.size()); }

}  // namespace

std::size_t most_instructions(const Graph& graph, bool exact) {
  std::size_t most = 0;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const std::size_t parts = graph.operand_blocks(BlockId(i)).size();
    const BlockKind kind = graph.kind(BlockId(i));
    const bool copied = kind == BlockKind::concat || kind == BlockKind::assemble;
    most += copied ? 1 + (exact ? parts : std::min(parts, few_parts)) : parts > 0;
  }
  return most;
}

std::uint32_t InstructionWriter::shape(const Shape& wanted) {
  if (wanted == Shape{}) return 0;
  const auto [at, is_new] = shapes_.try_emplace(wanted, count(p_.shapes));
  if (is_new) p_.shapes.push_back(wanted);
  return at->second;
}

std::uint32_t InstructionWriter::first_slot(BlockId block, std::uint32_t row) const {
  const std::uint32_t slot = slot_[block.index];
  TAPELOOM_CHECK(slot != UINT32_MAX);
  return slot + row;
}

void InstructionWriter::set_operand(Instruction& instruction, Shape& shape, std::size_t k, const View& x) {
  if (is_listed(x)) {
    TAPELOOM_CHECK(instruction.kind == InstructionKind::elementwise);
    return set_listed(instruction, shape, k, x);
  }
  instruction.x[k] = first_slot(x);
  shape.step[k] = x.rows == 1 ? 0 : x.step;
  if (!g_.varying(x)) instruction.set_uniform(k);
}

void InstructionWriter::add_scalar(BlockId id, std::uint32_t out) {
  Instruction instruction{.kind = InstructionKind::elementwise, .op = g_.op(id), .out = out, .nodes = nodes_of(id)};
  const OperandBlocks x = g_.operand_blocks(id);
  for (std::size_t k = 0; k < x.size(); ++k) {
    instruction.x[k] = is_listed(x[k]) ? word_of(id, g_.operand(id, k), 0) : first_slot(x[k], x.first_row(k));
    if (!g_.varying(x[k])) instruction.set_uniform(k);
  }
  p_.instructions.push_back(instruction);
}

/// Where row r of an operand of a block is. Of listed products, the first factor.
std::uint32_t InstructionWriter::word_of(BlockId user, const View& x, std::uint32_t r) const {
  if (is_listed(x)) return lists_.at(x.block.index).words[x.row + r * x.step];
  const bool marked = g_[user].varying && !g_.varying(x);
  return (first_slot(x) + r * x.step) | (marked ? Program::uniform_slot : 0);
}

/// The words of row r of an operand that is added up, as they stand in a list. Returns how many.
std::size_t InstructionWriter::term_of(BlockId user, const View& x, std::uint32_t r, std::uint32_t (&words)[2]) const {
  words[0] = word_of(user, x, r);
  if (!is_listed(x)) return 1;
  const List& list = lists_.at(x.block.index);
  if (list.factors.empty()) return 1;
  words[0] |= Program::times_next, words[1] = list.factors[x.row + r * x.step];
  return 2;
}

/// In place, if the rows lie evenly; else by a list that is among the program's indices from `at` on, or put there.
void InstructionWriter::set_words(Instruction& instruction, Shape& shape, std::size_t k,
                                  std::span<const std::uint32_t> words, std::uint32_t at) {
  const auto begin = words[0];
  instruction.x[k] = begin;
  shape.step[k] = words.size() > 1 && words[1] > begin ? words[1] - begin : 0;
  std::size_t r = 1;
  while (r < words.size() && words[r] == begin + std::uint64_t{r} * shape.step[k]) ++r;
  if (r == words.size()) return;
  shape.step[k] = Shape::by_index;
  instruction.x[k] = at != UINT32_MAX ? at : count(p_.indices);
  if (at == UINT32_MAX) p_.indices.insert(p_.indices.end(), words.begin(), words.end());
}

/// Readers of neighbouring rows share the list.
void InstructionWriter::set_listed(Instruction& instruction, Shape& shape, std::size_t k, const View& x) {
  List& list = lists_.at(x.block.index);
  if (x.step == 1) {
    const std::uint32_t end = count(p_.indices), at = list.at == UINT32_MAX ? UINT32_MAX : list.at + x.row;
    set_words(instruction, shape, k, std::span(list.words).subspan(x.row, x.rows), at);
    if (x.rows == list.words.size() && count(p_.indices) > end) list.at = end;
    return;
  }
  std::vector<std::uint32_t> words;
  for (std::uint32_t r = 0; r < x.rows; ++r) words.push_back(list.words[x.row + r * x.step]);
  set_words(instruction, shape, k, words, UINT32_MAX);
}

void InstructionWriter::list_rows(BlockId id) {
  List list;
  list.words.reserve(g_[id].rows);
  for (const View& part : g_.operands(id)) {
    for (std::uint32_t r = 0; r < part.rows; ++r) list.words.push_back(word_of(id, part, r));
  }
  list.nodes = nodes_of(id);
  lists_.emplace(id.index, std::move(list));
}

void InstructionWriter::list_products(BlockId id) {
  const View a = g_.operand(id, 0), b = g_.operand(id, g_.operands(id).size() - 1);
  const bool in_order = g_.varying(b);  // else the second one is uniform
  List list;
  for (std::uint32_t r = 0; r < g_[id].rows; ++r) {
    list.words.push_back(word_of(id, in_order ? a : b, r));
    list.factors.push_back(word_of(id, in_order ? b : a, r));
  }
  list.nodes = nodes_of(id);
  lists_.emplace(id.index, std::move(list));
}

std::uint32_t InstructionWriter::take_nodes(const View& x) {
  return is_listed(x) ? std::exchange(lists_.at(x.block.index).nodes, 0u) : 0;
}

std::uint32_t InstructionWriter::nodes_of(BlockId id) {
  std::uint32_t nodes = g_.nodes(id);
  if (lists_.empty()) return nodes;
  for (const View& x : g_.operands(id)) nodes += take_nodes(x);
  return nodes;
}

Instruction InstructionWriter::start_gather(BlockId id, std::uint32_t out) {
  return {.kind = InstructionKind::gather, .out = out, .x = {count(p_.indices)}, .nodes = nodes_of(id)};
}

/// Its lists are the last of the program's indices.
void InstructionWriter::finish_gather(Instruction gather, std::uint32_t rows) {
  gather.x[1] = count(p_.indices) - gather.x[0];
  const Shape lists{.rows = rows};
  instructions::order_factors(gather, lists, p_.indices.data());
  gather.shape = shape(lists);
  p_.instructions.push_back(gather);
}

bool InstructionWriter::gathers(BlockId id) const {
  const OperandList parts = g_.operands(id);
  const bool any_listed = std::any_of(parts.begin(), parts.end(), [&](const View& part) { return is_listed(part); });
  return !p_.exact && (parts.size() > few_parts || any_listed);
}

void InstructionWriter::add_gather(BlockId id, std::uint32_t out) {
  const Instruction gather = start_gather(id, out);
  for (const View& part : g_.operands(id)) {
    for (std::uint32_t r = 0; r < part.rows; ++r) p_.indices.push_back(word_of(id, part, r) | Program::last_slot);
  }
  finish_gather(gather, g_[id].rows);
}

void InstructionWriter::add_sums(BlockId id, std::uint32_t out) {
  const Instruction gather = start_gather(id, out);
  const View x = g_.operand(id, 0);
  const std::uint32_t terms = x.rows / g_[id].rows;
  std::uint32_t words[2];
  for (std::uint32_t r = 0; r < x.rows; ++r) {
    const std::size_t count = term_of(id, x, r, words);
    if ((r + 1) % terms == 0) words[0] |= Program::last_slot;
    p_.indices.insert(p_.indices.end(), words, words + count);
  }
  finish_gather(gather, g_[id].rows);
}

bool InstructionWriter::better_as_lists(BlockId assemble, std::span<const std::size_t> operands, bool by_cost) const {
  if (operands.size() <= few_parts) return false;
  if (!by_cost && operands.size() > some_parts) return true;
  double lists = cost::start + cost::row_apart * g_[assemble].rows;
  double one_by_one = cost::start * static_cast<double>(1 + operands.size());
  for (std::size_t k : operands) {
    const View x = g_.operand(assemble, k);
    const bool side_by_side = x.step == 1 && g_.destination(assemble, k).shape.term_step == 1;
    lists += cost::listed * x.rows;
    one_by_one += side_by_side ? x.rows / cost::numbers_a_second : cost::listed * x.rows;
  }
  return lists < (by_cost ? lists_preferred : lists_much_preferred) * one_by_one;
}

void InstructionWriter::add_zeros(BlockId id, std::uint32_t out) {
  Instruction zero{.kind = InstructionKind::zero, .out = out};
  zero.shape = shape({.rows = g_[id].rows});
  p_.instructions.push_back(zero);
}

void InstructionWriter::add_part(BlockId id, std::size_t k, bool add, std::uint32_t out) {
  const auto& [row, to] = g_.destination(id, k);
  Shape with = of_matrix(to);
  Instruction part{.kind = InstructionKind::add_at, .accumulates = add, .out = out + row};
  set_operand(part, with, 0, g_.operand(id, k));
  part.shape = shape(with);
  p_.instructions.push_back(part);
}

void InstructionWriter::add_elementwise_part(BlockId id, const PlacedParts::Part& part) {
  const Block block = g_[id];
  const View there{part.assembled, part.to.row, block.rows, 1};
  Instruction instruction{.kind = InstructionKind::elementwise, .op = block.op, .out = first_slot(there)};
  std::vector<View> x(g_.operands(id).begin(), g_.operands(id).end());
  if (part.adds && block.op == Op::neg) {
    instruction.op = Op::sub, x.insert(x.begin(), there);
  } else if (part.adds) {
    TAPELOOM_CHECK(block.op == Op::mul || block.op == Op::square);
    instruction.op = Op::multiply_add, x = {x.front(), x.back(), there};
  }
  Shape with{.rows = block.rows};
  for (std::size_t k = 0; k < x.size(); ++k) set_operand(instruction, with, k, x[k]);
  instruction.exact_rows = part.exact;
  instruction.shape = shape(with), instruction.nodes = nodes_of(id);
  p_.instructions.push_back(instruction);
}

void InstructionWriter::add_assembled(BlockId id, std::span<const std::size_t> operands, bool onto, std::uint32_t out) {
  const std::uint32_t rows = g_[id].rows;
  std::uint32_t words[2];
  const auto each = [&](auto&& use) {
    for (std::size_t k : operands) {
      const View x = g_.operand(id, k);
      const Destination& to = g_.destination(id, k);
      for (std::uint32_t r = 0; r < x.rows; ++r) use(to.of_row(r), term_of(id, x, r, words));
    }
  };
  // A counting sort by row. An empty list takes a word, too.
  std::vector<std::uint32_t> next(rows + 1, 0), last(rows);
  each([&](std::uint32_t to, std::size_t words_of_term) { next[to + 1] += static_cast<std::uint32_t>(words_of_term); });
  for (std::uint32_t r = 0; r < rows; ++r) next[r + 1] = next[r] + (onto ? next[r + 1] + 1 : std::max(next[r + 1], 1u));
  const Instruction gather = start_gather(id, out);
  p_.indices.resize(p_.indices.size() + next[rows], Program::empty_list);
  std::uint32_t* lists = p_.indices.data() + gather.x[0];
  const auto put = [&](std::uint32_t to, std::size_t words_of_term) {
    last[to] = next[to];
    for (std::size_t k = 0; k < words_of_term; ++k) lists[next[to]++] = words[k];
  };
  for (std::uint32_t r = 0; r < rows; ++r) {
    last[r] = next[r], words[0] = out + r;
    if (onto) put(r, 1);
  }
  each(put);
  for (const std::uint32_t at : last) lists[at] |= Program::last_slot;
  finish_gather(gather, rows);
}

void InstructionWriter::add_load(BlockId input, std::uint32_t slot) {
  const std::uint32_t rows = g_[input].rows;
  if (rows > 1) loads_[input.index] = count(p_.loads);  // of single ones there may be very many
  std::uint32_t begin = 0;
  const auto add = [&](std::uint32_t end) {
    p_.loads.push_back({InputId(g_[input].payload + begin), end - begin, slot + begin});
    begin = end;
  };
  for (const std::uint32_t row : load_parts_.of(input)) add(row);
  add(rows);
}

/// What is multiplied second. Columns that lie side by side as they were bound can be read there, too.
void InstructionWriter::set_outer_operand(Instruction& instruction, Shape& shape, const View& x) {
  set_operand(instruction, shape, 1, x);
  if (g_[x.block].kind != BlockKind::input || shape.step[1] != 1) return;
  std::uint32_t load = loads_.at(x.block.index), end = 0;
  for (const std::uint32_t row : load_parts_.of(x.block)) {
    if (row > x.row) {
      end = row;
      break;
    }
    ++load;
  }
  if (end == 0 || x.row + x.rows <= end) instructions::ReduceOuter::set_load(instruction, load);
}

/// See instructions::ReduceOuter.
bool InstructionWriter::are_row_sums(const Instruction& sums, const Instruction& outer, const Shape& shape) const {
  if (sums.kind != InstructionKind::reduce || sums.accumulates != outer.accumulates || sums.is_uniform(0)) return false;
  const Shape& of_sums = p_.shapes[sums.shape];
  const bool same_rows =
      sums.x[0] == outer.x[0] && of_sums.rows == shape.rows && of_sums.step[0] == shape.step[0] && shape.places == 1;
  return same_rows && of_sums.row_step == shape.row_step && sums.out == outer.out + shape.terms &&
         (shape.terms == 1 || shape.term_step == 1);
}

Instruction InstructionWriter::of_total(const Sink& sink, const TotalSlots& slots, bool goes_on,
                                        const Instruction* before) {
  Instruction instruction{.kind = sink.kind, .accumulates = goes_on, .out = slots.first, .nodes = g_[sink.total].nodes};
  Shape with{sink.rows.rows, slots.shape.terms, slots.shape.row_step, slots.shape.term_step};
  if (is_listed(sink.rows)) {
    const List& list = lists_.at(sink.rows.block.index);
    instruction.kind = InstructionKind::reduce_products, instruction.nodes += take_nodes(sink.rows);
    set_words(instruction, with, 0, list.words, UINT32_MAX);
    set_words(instruction, with, 1, list.factors, UINT32_MAX);
  } else {
    set_operand(instruction, with, 0, sink.rows);
  }
  if (sink.kind == InstructionKind::reduce_outer) {
    const Weights& w = g_.weights(sink.total);
    set_outer_operand(instruction, with, g_.operand(sink.total, 1));
    with.rows = w.matrix.rows, with.places = w.places, with.windows = w.windows;
    if (w.own) with.place_step = with.rows * with.row_step;
    set_gaps(with, w);
  } else if (slots.shape.rows == 1) {
    with.terms = 1, with.row_step = slots.shape.term_step;
  }
  if (with.rows == 1) with.row_step = 0;
  if (with.terms == 1) with.term_step = 0;
  const bool outer = sink.kind == InstructionKind::reduce_outer;
  instruction.follows_row_sums = outer && before != nullptr && are_row_sums(*before, instruction, with);
  instruction.shape = shape(with);
  return instruction;
}

Instruction InstructionWriter::of_sink(const Sink& sink) {
  Instruction instruction{.kind = sink.kind, .out = sink.out};
  Shape with{.rows = sink.rows.rows};
  set_operand(instruction, with, 0, sink.rows);
  if (sink.kind == InstructionKind::store_output && p_.recorded_samples > 0) {
    instruction.kind = InstructionKind::store_sample;
    instruction.x[1] = p_.outputs[sink.out].sample;
  }
  instruction.shape = shape(with);
  return instruction;
}

Shape InstructionWriter::of_matrix(const Matrix& m) { return {m.rows, m.terms, m.row_step, m.term_step, {}}; }

Shape InstructionWriter::of_weights(const Weights& w) {
  Shape shape = of_matrix(w.matrix);
  shape.places = w.places, shape.place_step = w.place_step();
  return shape;
}

Shape InstructionWriter::of_terms(const Weights& w) {
  Shape shape = of_weights(w);
  shape.windows = w.windows;
  set_gaps(shape, w);
  return shape;
}

/// The products of forward and backward have the same.
void InstructionWriter::set_gaps(Shape& shape, const Weights& w) {
  if (!w.gaps) return;
  const auto [at, is_new] = gaps_.try_emplace(w.gaps.get(), count(p_.indices));
  shape.gaps = at->second;
  if (!is_new) return;
  p_.indices.resize(p_.indices.size() + instructions::Gaps::words(w.places, w.matrix.terms), 0);
  std::uint32_t* words = p_.indices.data() + at->second;
  for (std::size_t bit = 0; bit < w.gaps->size(); ++bit) {
    constexpr std::size_t of_word = instructions::Gaps::bits_a_word;
    words[bit / of_word] |= std::uint32_t{(*w.gaps)[bit]} << bit % of_word;
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
