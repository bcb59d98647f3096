#include "tapeloom/core/program/program_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/loaded_slots.h"
#include "tapeloom/core/program/program_fault.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

using instructions::InExact;
using instructions::Operand;
using instructions::Operands;
using instructions::OpUse;
using instructions::ReduceOuter;
using instructions::Result;
using instructions::Rules;
using instructions::Runs;
using instructions::Source;
using instructions::Target;
using program_check::Fault;
using program_check::require;
using program_check::Wide;

class Checker {
 public:
  explicit Checker(const Program& program) : p_(program), loaded_(program) {}

  void run() {
    program_check::check_ends(p_);
    for (const Shape& shape : p_.shapes) {
      require(shape.rows > 0 && shape.terms > 0 && Wide{shape.rows} * shape.terms <= UINT32_MAX, "a shape of no size");
      const Wide longer = std::max(shape.rows, shape.terms);
      require(shape.places > 0 && longer * shape.places <= UINT32_MAX, "a shape of no size");
      check_windows(shape);
    }
    for (const Load& load : p_.loads) check(load);
    for (const Stage& stage : p_.stages) check(stage);
    // What looks at all instructions relies on this.
    require(next_instruction_ == p_.instructions.size(), "instructions of no stage");
    require(next_load_ == (p_.one_row ? 0 : p_.loads.size()), "loads of no stage");
    slots();
    one_sample();
  }

 private:
  static bool inside(Range range, Wide size) { return range.begin <= range.end && range.end <= size; }

  /// Whoever runs it asks the whole program for everything but instructions and where results are.
  void one_sample() {
    if (p_.of_one_sample == nullptr) return;
    const Program& one = *p_.of_one_sample;
    const auto same_group = [](const ProgramInputGroup& a, const ProgramInputGroup& b) {
      return a.count == b.count && a.used == b.used;
    };
    require(one.one_row && one.of_one_sample == nullptr && p_.recorded_samples == 0 && one.recorded_samples == 0,
            "a program of one sample that is none");
    require(!p_.is_mean_over_samples &&
                (!one.is_mean_over_samples || (one.guards.empty() && one.assignments.empty() && one.random_count == 0)),
            "a mean over samples that is none");
    require(one.parameters.size() == p_.parameters.size() && one.uniform_inputs.size() == p_.uniform_inputs.size() &&
                std::ranges::equal(one.input_groups, p_.input_groups, same_group) && one.trained == p_.trained &&
                one.outputs.size() == p_.outputs.size() && one.has_gradients == p_.has_gradients &&
                one.has_input_gradients == p_.has_input_gradients && one.exact == p_.exact &&
                one.random_count == p_.random_count && one.is_of_training == p_.is_of_training &&
                std::ranges::equal(one.assignments, p_.assignments, {}, &ProgramAssignment::parameter,
                                   &ProgramAssignment::parameter) &&
                (one.loss_slot == Program::no_slot) == (p_.loss_slot == Program::no_slot),
            "a program of one sample that is another one");
    Checker(one).run();
  }

  /// The columns of a load are random, or of one group, which must be bound.
  void check(const Load& load) {
    const Wide end = Wide{load.slot} + load.count, begin = p_.one_row ? p_.first_computed() : 0;
    require(load.count > 0 && load.slot >= begin && end <= (p_.one_row ? p_.uniform_slots : p_.tile_slots),
            "a load outside the slots");
    Wide& written = p_.one_row ? written_uniform_ : written_tile_;
    written = std::max(written, end);
    const Wide last = Wide{load.first.index} + load.count;
    if (load.first.index >= p_.input_count) {
      return require(last <= Wide{p_.input_count} + p_.random_count, "a load of random numbers that are not there");
    }
    // The groups lie side by side from column 0 on.
    const auto after = std::upper_bound(
        p_.input_groups.begin(), p_.input_groups.end(), load.first.index,
        [](std::uint32_t column, const ProgramInputGroup& group) { return column < group.first.index; });
    require(after != p_.input_groups.begin(), "a load of columns that are not of one group");
    const ProgramInputGroup& group = *std::prev(after);
    require(last <= Wide{group.first.index} + group.count, "a load of columns that are not of one group");
    require(group.used, "a load from an unused group");
  }

  /// Stages follow one another: what is read at the start of a stage's tiles is there for its own instructions only.
  void check(const Stage& stage) {
    require(inside(stage.uniform, p_.instructions.size()) && inside(stage.tile, p_.instructions.size()) &&
                inside(stage.inputs, p_.loads.size()) && inside(stage.totals, p_.total_count),
            "a stage outside the program");
    require(stage.uniform.begin >= next_instruction_ && stage.tile.begin >= stage.uniform.end &&
                stage.inputs.begin >= next_load_,
            "a stage that overlaps others");
    require(stage.uniform.begin == next_instruction_ && stage.tile.begin == stage.uniform.end,
            "instructions of no stage");
    require(stage.inputs.begin == next_load_, "loads of no stage");
    next_instruction_ = stage.tile.end;
    next_load_ = stage.inputs.end;
    begun_.clear();
    loaded_.begin(stage);
    for (std::uint32_t i = stage.uniform.begin; i < stage.uniform.end; ++i) check(p_.instructions[i], false);
    for (std::uint32_t i = stage.tile.begin; i < stage.tile.end; ++i) {
      check(p_.instructions[i], true);
      if (p_.instructions[i].kind == InstructionKind::reduce_outer) check_outer(i, i > stage.tile.begin);
    }
  }

  // --- instructions -------------------------------------------------------------------------------------------------

  /// `rows` slots, `step` apart, that an instruction reads in memory as they lie.
  void read(Wide first, Wide rows, Wide step, bool uniform) const {
    const Wide last = first + (rows - 1) * step;
    require(last < (uniform ? p_.uniform_slots : p_.tile_slots), "an operand outside the slots");
    // The parameters lie apart from the other uniform slots.
    require(!uniform || first >= p_.parameters.size() || last < p_.parameters.size(), "an operand across parameters");
  }
  void read_matrix(Wide first, const Shape& s) const {
    const Wide last = last_entry(first, s);
    require(last < p_.uniform_slots, "a matrix outside the slots");
    require(first >= p_.parameters.size() || last < p_.parameters.size(), "a matrix across parameters");
  }
  void write(Wide first, Wide rows, bool in_tile) {
    require(first + rows <= (in_tile ? p_.tile_slots : p_.uniform_slots), "a result outside the slots");
    require(in_tile || first >= p_.first_total(), "a result among the leaves");
    Wide& written = in_tile ? written_tile_ : written_uniform_;
    written = std::max(written, first + rows);
    if (in_tile) loaded_.overwrite(first, rows);
  }
  static Wide last_entry(Wide first, const Shape& s) {
    const Wide rows = (s.rows - Wide{1}) * s.row_step, terms = (s.terms - Wide{1}) * s.term_step;
    const Wide places = (s.places - Wide{1}) * s.place_step;
    require(rows <= UINT32_MAX && terms <= UINT32_MAX && places <= UINT32_MAX, "a matrix outside the slots");
    return first + rows + terms + places;
  }

  void check(const Instruction& i, bool in_tile) {
    require(i.shape < p_.shapes.size(), "an instruction without a shape");
    const Shape& s = p_.shapes[i.shape];
    const instructions::Facts facts = instructions::facts_of(i, s);
    check_place(s, facts.rules, in_tile);
    check_ops(i, s, facts.rules.ops, in_tile);
    for (std::size_t k = 0; k < s.step.size(); ++k) {
      const bool may = k < facts.operands.size() && facts.operands[k].may_be_by_index;
      require(may || s.step[k] != Shape::by_index, "rows one by one where there are none");
    }
    for (std::size_t k = 0; k < facts.operands.size(); ++k) check_operand(i, s, k, facts.operands, in_tile);
    check_result(i, s, facts.result, in_tile);
    const bool total = facts.result.target == Target::total_rows || facts.result.target == Target::total_entries;
    const bool may_accumulate = total || i.kind == InstructionKind::add_at;
    require(may_accumulate || !i.accumulates, "a flag that does not fit its instruction");
    require(i.kind == InstructionKind::reduce_outer || !i.follows_row_sums, "a flag that does not fit its instruction");
    require((i.kind == InstructionKind::elementwise && !in_tile) || !i.exact_rows,
            "a flag that does not fit its instruction");
    check_gaps(i, s);
    require(s.windows == WindowSteps{} || reads_windows(i), "windows where there are no terms");
    require(s.windows.run == 0 || in_tile, "windows in runs where there are no tiles");
  }
  static void check_windows(const Shape& s) {
    const WindowSteps& w = s.windows;
    const bool has_runs = w.run > 0;
    require(has_runs ? w.step > 0 && s.places % w.run == 0 : w.run_step == 0, "windows in runs of no size");
    // Else the product with a step, which says where the last row is, might not be in range.
    const Wide runs = has_runs ? s.places / w.run : 1, in_run = s.windows.places_a_run(s.places);
    const Wide rows = (runs - 1) * w.run_step + (in_run - 1) * w.step + s.terms;
    require(rows <= UINT32_MAX, "a shape of no size");
  }
  static bool reads_windows(const Instruction& i) {
    return i.kind == InstructionKind::dense || i.kind == InstructionKind::outer ||
           i.kind == InstructionKind::reduce_outer;
  }

  void check_place(const Shape& s, const Rules& rules, bool in_tile) const {
    require(in_tile || rules.runs != Runs::in_tiles, "an instruction of a tile outside of it");
    require(!in_tile || rules.runs != Runs::once, "an instruction of the step in a tile");
    if (!p_.exact) return;
    const bool once = rules.in_exact == InExact::once_a_step;
    if (rules.in_exact == InExact::no || (once && in_tile)) {
      throw Fault{rules.refused + std::string(once ? " in a tile of an exact program" : " in an exact program")};
    }
    require(!in_tile || (s.rows == 1 && s.terms == 1), "rows in a tile of an exact program");  // its kernels know none
  }

  void check_gaps(const Instruction& i, const Shape& s) const {
    if (s.gaps == Shape::no_gaps) return;
    require(reads_windows(i), "gaps where there are no terms");
    require(s.gaps + instructions::Gaps::words(s.places, s.terms) <= p_.indices.size(), "gaps that are not there");
  }

  static bool is_scalar(Op op) {
    return op_kind(op) != OpKind::leaf && op_kind(op) != OpKind::reduction && op_arity(op) > 0;
  }
  static bool is_none_or(Op op, std::size_t arity) { return op == no_op || (is_scalar(op) && op_arity(op) == arity); }
  /// A product to which rows that lie side by side are added, or nothing.
  static bool is_sum_at_most(const Instruction& i, const Shape& s) {
    const bool neighbours = s.step[2] == 1 || instructions::facts_of(i, s).result.count == 1;
    return i.then == no_op && (i.op == no_op || (i.op == Op::add && neighbours));
  }
  static void check_ops(const Instruction& i, const Shape& s, OpUse use, bool in_tile) {
    switch (use) {
      case OpUse::none:
        return require(i.op == no_op && i.then == no_op, "an op that does not fit its instruction");
      case OpUse::scalar:
        return require(is_scalar(i.op), "an op that does not stand in an instruction");
      case OpUse::extreme:
        require(i.op == Op::max || i.op == Op::min, "an extreme that is neither max nor min");
        return require(s.rows <= 1u << 24, "an extreme of more rows than numbers can count");
      case OpUse::finish:
        require(in_tile || is_sum_at_most(i, s),
                "a product outside of a tile that is finished by something else than a sum");
        return require(is_none_or(i.op, 2) && is_none_or(i.then, 1), "a product finished by an op that does not fit");
    }
  }

  void check_operand(const Instruction& i, const Shape& s, std::size_t k, const Operands& all, bool in_tile) {
    const Operand& operand = all[k];
    switch (operand.source) {
      case Source::lists:
        return check_lists(i, s, in_tile);
      case Source::batch:
        return require(Wide{i.x[k]} + operand.count <= p_.batch_slots, "a reload outside the slots");
      case Source::matrix:
        require(!in_tile || i.is_uniform(k), "a matrix that is not uniform");
        return read_matrix(i.x[k], s);
      case Source::lanes:
        require(!in_tile || !i.is_uniform(k), "an operand that is not of the tile");
        break;
      case Source::mixed:
        require(!in_tile || i.uniform_mask + 1u < 1u << all.size(), "an op on nothing of the tile");
        break;
      case Source::numbers:
        break;
    }
    if (s.step[k] == Shape::by_index) return check_indexed(i, s, k, in_tile);
    read(i.x[k], operand.count, s.step[k], !in_tile || i.is_uniform(k));
  }

  void check_result(const Instruction& i, const Shape& s, const Result& result, bool in_tile) {
    const Wide last = i.out + (result.count - 1);
    switch (result.target) {
      case Target::rows:
        return write(i.out, result.count, in_tile);
      case Target::entries:
        return write(i.out, last_entry(i.out, s) - i.out + 1, false);
      case Target::total_rows:
        require(i.out + (s.rows - Wide{1}) * s.row_step < p_.total_count, "a total that is not there");
        return check_beginning(i);
      case Target::total_entries:
        require(s.terms == 1 || s.term_step > 0, "totals on top of each other");
        require(last_entry(i.out, s) < p_.total_count, "a total that is not there");
        return check_beginning(i);
      case Target::guard:
        require(in_tile || i.is_uniform(0), "a guard on a tile outside of it");
        return require(i.out + result.count * instructions::Guard{i, s}.guards_a_row(p_, in_tile) <= p_.guards.size(),
                       "a guard that is not there");
      case Target::batch:
        require(last < p_.batch_slots, "a spill outside the slots");
        written_batch_ = std::max(written_batch_, last + 1);
        return;
      case Target::output:
        return require(last < p_.outputs.size(), "an output that is not there");
      case Target::input_gradient:
        return require(p_.has_input_gradients && last < p_.input_count, "an input gradient that is not there");
    }
  }

  /// Lists of rows that are read one by one and added up.
  void check_lists(const Instruction& i, const Shape& s, bool in_tile) {
    require(Wide{i.x[0]} + i.x[1] <= p_.indices.size(), "indices that are not there");
    // Each instruction has lists of its own. Otherwise few indices could take long to look at.
    listed_ += i.x[1];
    require(listed_ <= p_.indices.size(), "lists that several instructions share");
    Wide lists = 0;
    bool begins = true;
    for (std::uint32_t n = 0; n < i.x[1]; ++n) {
      const std::uint32_t word = p_.indices[i.x[0] + n];
      const bool last = (word & Program::last_slot) != 0;
      const bool uniform = (word & Program::uniform_slot) != 0, product = (word & Program::times_next) != 0;
      require(in_tile || (!uniform && !product), "a word of a tile outside of it");
      const bool empty = begins && word == (Program::last_slot | Program::empty_list);
      if (!empty) read(Program::slot_of(word), 1, 1, !in_tile || uniform);
      if (product) {
        require(++n < i.x[1], "a product without its factor");
        read(p_.indices[i.x[0] + n], 1, 1, false);
      }
      lists += last;
      begins = last;
    }
    require(begins && lists == s.rows, "another number of lists than of rows");
  }
  /// Rows of an operand of the tile that are read one by one. Instructions may share them.
  void check_indexed(const Instruction& i, const Shape& s, std::size_t k, bool in_tile) {
    require(in_tile && !p_.exact && s.rows > 1 && !i.is_uniform(k), "rows one by one where there are none");
    require(Wide{i.x[k]} + s.rows <= p_.indices.size(), "indices that are not there");
    if (outside_before_.empty()) {
      outside_before_.push_back(0);
      for (const std::uint32_t slot : p_.indices) {
        outside_before_.push_back(outside_before_.back() + (slot >= p_.tile_slots ? 1 : 0));
      }
    }
    require(outside_before_[i.x[k]] == outside_before_[i.x[k] + s.rows], "an operand outside the slots");
  }

  /// Whatever goes on with a total finds one that the same stage has begun.
  void check_beginning(const Instruction& i) {
    require(!i.accumulates || begun_.contains(i.out), "a total that goes on before it was begun");
    begun_.insert(i.out);
  }

  /// What a total of products says about its operands is so.
  void check_outer(std::uint32_t at, bool has_neighbour) const {
    const Instruction& i = p_.instructions[at];
    const ReduceOuter outer{i, p_.shapes[i.shape]};
    if (outer.load() != outer.no_load) {
      const std::uint32_t load = loaded_.load_of(i.x[1], outer.window_rows());
      require(load == outer.load() && outer.s.step[1] == 1, "columns that are not those of the load");
    }
    if (!i.follows_row_sums) return;
    require(has_neighbour && outer.places() == 1, "a product that does not follow sums of its rows");
    const Instruction& sums = p_.instructions[at - 1];
    const Shape& of_sums = p_.shapes[sums.shape];
    // The totals of the sums are one more column.
    const bool side_by_side = outer.columns() == 1 || outer.s.term_step == 1;
    require(sums.kind == InstructionKind::reduce && !sums.is_uniform(0) && sums.x[0] == i.x[0] &&
                of_sums.rows == outer.rows() && of_sums.step[0] == outer.s.step[0] && side_by_side &&
                sums.accumulates == i.accumulates && sums.out == Wide{i.out} + outer.columns() &&
                of_sums.row_step == outer.s.row_step,
            "a product that does not follow sums of its rows");
  }

  /// An executor has memory for all slots, so they should be about as many as there are numbers.
  void slots() const {
    const auto fits = [](Wide slots, Wide written) { return slots <= 2 * written + 1024; };
    require(fits(p_.uniform_slots, std::max(written_uniform_, Wide{p_.first_computed()})) &&
                fits(p_.tile_slots, written_tile_) && fits(p_.batch_slots, written_batch_),
            "more slots than are written");
  }

  const Program& p_;
  std::uint32_t next_instruction_ = 0, next_load_ = 0;
  Wide written_uniform_ = 0, written_tile_ = 0, written_batch_ = 0;  // up to there
  std::set<std::uint32_t> begun_;                                    // where the stage's totals begin
  instructions::LoadedSlots loaded_;           // those that nothing has been written to since the stage began
  Wide listed_ = 0;                            // indices in lists so far
  std::vector<std::uint32_t> outside_before_;  // for each index and the end: how many before it are no tile slots
};

}  // namespace

std::string find_fault(const Program& program) {
  try {
    Checker(program).run();
  } catch (const Fault& fault) {
    return fault.what;
  }
  return {};
}

}  // namespace tapeloom::inline TAPELOOM_ABI
