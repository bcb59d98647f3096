#include "tapeloom/core/program/program_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <vector>

#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// Thrown and caught in this file.
struct Fault {
  std::string what;
};

void require(bool good, const char* what) {
  if (!good) throw Fault{what};
}

/// All sums and products of 32-bit numbers here are of 64 bits and do not overflow: a product has two factors, and
/// where it is a number of rows, it was checked to be below 2^32 before.
using Wide = std::uint64_t;

class Checker {
 public:
  explicit Checker(const Program& program) : p_(program) {}

  void run() {
    leaves();
    recorded_samples();
    results();
    for (const Shape& shape : p_.shapes) {
      require(shape.rows > 0 && shape.terms > 0 && Wide{shape.rows} * shape.terms <= UINT32_MAX, "a shape of no size");
      const Wide longer = std::max(shape.rows, shape.terms);
      require(shape.places > 0 && longer * shape.places <= UINT32_MAX, "a shape of no size");
    }
    for (const Load& load : p_.loads) check(load);
    for (const Stage& stage : p_.stages) check(stage);
    // What looks at all instructions relies on this.
    require(next_instruction_ == p_.instructions.size(), "instructions of no stage");
    require(next_load_ == p_.loads.size(), "loads of no stage");
    slots();
  }

 private:
  static bool inside(Range range, Wide size) { return range.begin <= range.end && range.end <= size; }

  void leaves() {
    Wide inputs = 0;
    for (const ProgramInputGroup& group : p_.input_groups) {
      require(group.count > 0 && group.first.index == inputs, "input groups that are not side by side");
      inputs += group.count;
    }
    require(inputs == p_.input_count, "another number of inputs than its groups have");
    const Wide first_computed =
        Wide{p_.parameters.size()} + p_.constants.size() + p_.uniform_inputs.size() + 1 + p_.total_count;
    require(first_computed <= p_.uniform_slots, "fewer uniform slots than leaves");
    std::uint32_t trained = 0;
    for (const Range range : p_.trained) {
      require(range.begin >= trained && range.begin < range.end && range.end <= p_.parameters.size(),
              "a wrong range of trained parameters");
      trained = range.end;
    }
  }

  void recorded_samples() {
    if (p_.recorded_samples == 0) return require(p_.recorded_rows.empty(), "rows of no recorded samples");
    require(p_.recorded_rows.size() == Wide{p_.recorded_samples} * p_.input_count,
            "another number of recorded rows than of recorded samples");
    require(p_.recorded_samples <= p_.recorded_nodes, "more recorded samples than nodes");
  }

  void results() {
    require(p_.loss_slot == Program::no_slot || p_.loss_slot < p_.uniform_slots, "a loss outside the slots");
    for (const ProgramOutput& output : p_.outputs) {
      require(output.varying || output.slot < p_.uniform_slots, "an output outside the slots");
    }
    for (const GradientPiece& piece : p_.gradients) {
      require(Wide{piece.first.index} + piece.count <= p_.parameters.size(), "gradients of no parameters");
      require(Wide{piece.slot} + piece.count <= p_.uniform_slots, "gradients outside the slots");
    }
  }

  /// The columns of a load are of one group, which must be bound.
  void check(const Load& load) {
    require(load.count > 0 && Wide{load.slot} + load.count <= p_.tile_slots, "a load outside the slots");
    written_tile_ = std::max(written_tile_, Wide{load.slot} + load.count);
    // The groups lie side by side from column 0 on.
    const auto after = std::upper_bound(
        p_.input_groups.begin(), p_.input_groups.end(), load.first.index,
        [](std::uint32_t column, const ProgramInputGroup& group) { return column < group.first.index; });
    require(after != p_.input_groups.begin(), "a load of columns that are not of one group");
    const ProgramInputGroup& group = *std::prev(after);
    require(Wide{load.first.index} + load.count <= Wide{group.first.index} + group.count,
            "a load of columns that are not of one group");
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
    for (std::uint32_t i = stage.uniform.begin; i < stage.uniform.end; ++i) check(p_.instructions[i], false);
    for (std::uint32_t i = stage.tile.begin; i < stage.tile.end; ++i) {
      check(p_.instructions[i], true);
      check_beginning(p_.instructions[i]);
    }
  }

  // --- instructions -------------------------------------------------------------------------------------------------

  static bool is_uniform(const Instruction& i, std::size_t k) { return (i.uniform_mask >> k & 1) != 0; }

  /// `rows` slots, `step` apart, that an instruction reads in memory as they lie.
  void read(Wide first, Wide rows, Wide step, bool uniform) const {
    const Wide last = first + (rows - 1) * step;
    require(last < (uniform ? p_.uniform_slots : p_.tile_slots), "an operand outside the slots");
    // The parameters lie apart from the other uniform slots.
    require(!uniform || first >= p_.parameters.size() || last < p_.parameters.size(), "an operand across parameters");
  }
  void read(const Instruction& i, const Shape& s, std::size_t k, Wide rows, bool in_tile) const {
    read(i.x[k], rows, s.step[k], !in_tile || is_uniform(i, k));
  }
  /// An operand with a number for each lane.
  void read_lanes(const Instruction& i, const Shape& s, std::size_t k, Wide rows) const {
    require(!is_uniform(i, k), "an operand that is not of the tile");
    read(i.x[k], rows, s.step[k], false);
  }
  void read_matrix(const Instruction& i, const Shape& s, bool in_tile) const {
    require(!in_tile || is_uniform(i, 0), "a matrix that is not uniform");
    const Wide last = last_entry(i.x[0], s);
    require(last < p_.uniform_slots, "a matrix outside the slots");
    require(i.x[0] >= p_.parameters.size() || last < p_.parameters.size(), "a matrix across parameters");
  }
  void write(Wide first, Wide rows, bool in_tile) {
    require(first + rows <= (in_tile ? p_.tile_slots : p_.uniform_slots), "a result outside the slots");
    require(in_tile || first >= p_.first_total(), "a result among the leaves");
    Wide& written = in_tile ? written_tile_ : written_uniform_;
    written = std::max(written, first + rows);
  }
  static Wide last_entry(Wide first, const Shape& s) {
    const Wide rows = (s.rows - Wide{1}) * s.row_step, terms = (s.terms - Wide{1}) * s.term_step;
    const Wide places = (s.places - Wide{1}) * s.place_step;
    require(rows <= UINT32_MAX && terms <= UINT32_MAX && places <= UINT32_MAX, "a matrix outside the slots");
    return first + rows + terms + places;
  }
  void write_entries(const Instruction& i, const Shape& s) {
    const Wide last = last_entry(i.out, s);
    write(i.out, last - i.out + 1, false);
  }

  void check(const Instruction& i, bool in_tile) {
    require(i.shape < p_.shapes.size(), "an instruction without a shape");
    const Shape& s = p_.shapes[i.shape];
    // Exact kernels know no rows.
    const bool has_rows = s.rows > 1 || s.terms > 1;
    require(!p_.exact || !in_tile || !has_rows, "rows in a tile of an exact program");
    const std::size_t may_be_listed = i.kind == InstructionKind::elementwise       ? op_arity(i.op)
                                      : i.kind == InstructionKind::reduce_products ? 2
                                                                                   : 0;
    for (std::size_t k = may_be_listed; k < s.step.size(); ++k) {
      require(s.step[k] != Shape::by_index, "rows one by one where there are none");
    }
    switch (i.kind) {
      case InstructionKind::elementwise:
        return check_elementwise(i, s, in_tile);
      case InstructionKind::row_sum:
        require(!p_.exact || !in_tile, "a sum of rows in a tile of an exact program");
        require(!in_tile || !is_uniform(i, 0), "an operand that is not of the tile");
        read(i, s, 0, Wide{s.rows} * s.terms, in_tile);
        return write(i.out, s.terms, in_tile);
      case InstructionKind::row_extreme:
      case InstructionKind::row_extreme_reverse:
        return check_extreme(i, s, in_tile);
      case InstructionKind::copy:
        read(i, s, 0, s.rows, in_tile);
        return write(i.out, s.rows, in_tile);
      case InstructionKind::zero:
        require(!in_tile, "an instruction of the step in a tile");
        return write(i.out, s.rows, false);
      case InstructionKind::add_at:
        require(!in_tile, "an instruction of the step in a tile");
        read(i, s, 0, Wide{s.rows} * s.terms, false);
        return write_entries(i, s);
      case InstructionKind::gather:
        check_lists(i, s, in_tile);
        return write(i.out, s.rows, in_tile);
      case InstructionKind::dense:
        return check_product(i, s, Wide{s.places} * s.rows, Wide{s.places} * s.terms, in_tile);
      case InstructionKind::dense_reverse:
        return check_product(i, s, Wide{s.places} * s.terms, Wide{s.places} * s.rows, in_tile);
      case InstructionKind::outer:
        require(!in_tile, "an instruction of the step in a tile");
        require(!p_.exact, "a matrix product in an exact program");
        read(i, s, 0, Wide{s.places} * s.rows, false);
        read(i, s, 1, Wide{s.places} * s.terms, false);
        return write_entries(i, s);
      case InstructionKind::guard:
        require(in_tile || is_uniform(i, 0), "a guard on a tile outside of it");
        require(i.out < p_.guards.size(), "a guard that is not there");
        return read(i, s, 0, 1, in_tile);
      case InstructionKind::reduce:
      case InstructionKind::reduce_products:
      case InstructionKind::reduce_outer:
      case InstructionKind::spill:
      case InstructionKind::reload:
      case InstructionKind::store_output:
      case InstructionKind::store_sample:
      case InstructionKind::store_input_gradient:
        require(in_tile, "an instruction of a tile outside of it");
        return check_tile(i, s);
    }
    throw Fault{"an instruction of no kind"};
  }

  /// Lists of rows that are read one by one and added up.
  void check_lists(const Instruction& i, const Shape& s, bool in_tile) {
    require(!p_.exact, "rows one by one in an exact program");
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
    require(in_tile && !p_.exact && s.rows > 1 && !is_uniform(i, k), "rows one by one where there are none");
    require(Wide{i.x[k]} + s.rows <= p_.indices.size(), "indices that are not there");
    if (outside_before_.empty()) {
      outside_before_.push_back(0);
      for (const std::uint32_t slot : p_.indices) {
        outside_before_.push_back(outside_before_.back() + (slot >= p_.tile_slots ? 1 : 0));
      }
    }
    require(outside_before_[i.x[k]] == outside_before_[i.x[k] + s.rows], "an operand outside the slots");
  }

  void check_elementwise(const Instruction& i, const Shape& s, bool in_tile) {
    const std::size_t arity = op_arity(i.op);
    require(op_kind(i.op) != OpKind::leaf && op_kind(i.op) != OpKind::reduction && arity > 0,
            "an op that does not stand in an instruction");
    require(!in_tile || i.uniform_mask + 1u < 1u << arity, "an op on nothing of the tile");
    for (std::size_t k = 0; k < arity; ++k) {
      s.step[k] == Shape::by_index ? check_indexed(i, s, k, in_tile) : read(i, s, k, s.rows, in_tile);
    }
    write(i.out, s.rows, in_tile);
  }

  void check_extreme(const Instruction& i, const Shape& s, bool in_tile) {
    require(!p_.exact || !in_tile, "a choice of rows in a tile of an exact program");
    require(i.op == Op::max || i.op == Op::min, "an extreme that is neither max nor min");
    require(s.rows <= 1u << 24, "an extreme of more rows than numbers can count");
    const bool reverse = i.kind == InstructionKind::row_extreme_reverse;
    require(!in_tile || i.uniform_mask < (reverse ? 3 : 1), "an extreme of nothing of the tile");
    const Wide all = Wide{s.rows} * s.terms;
    read(i, s, 0, all, in_tile);
    if (reverse) read(i, s, 1, s.terms, in_tile);
    write(i.out, reverse ? all : s.terms, in_tile);
  }

  void check_product(const Instruction& i, const Shape& s, Wide results, Wide terms, bool in_tile) {
    require(!p_.exact, "a matrix product in an exact program");
    read_matrix(i, s, in_tile);
    if (in_tile) {
      read_lanes(i, s, 1, terms);
    } else {
      read(i, s, 1, terms, false);
    }
    require(in_tile || (i.op == Op::constant && i.then == Op::constant), "a finished product outside of a tile");
    require(i.op == Op::constant || op_takes(i.op, 2), "a product finished by an op that does not fit");
    require(i.then == Op::constant || op_takes(i.then, 1), "a product finished by an op that does not fit");
    if (i.op != Op::constant) read(i, s, 2, results, in_tile);
    write(i.out, results, in_tile);
  }
  static bool op_takes(Op op, std::size_t arity) {
    return op_kind(op) != OpKind::leaf && op_kind(op) != OpKind::reduction && op_arity(op) == arity;
  }

  /// Whatever goes on with a total finds one that the same stage has begun.
  void check_beginning(const Instruction& i) {
    const bool adds_up = i.kind == InstructionKind::reduce || i.kind == InstructionKind::reduce_products ||
                         i.kind == InstructionKind::reduce_outer;
    if (!adds_up) return;
    require((i.op == Op::constant || i.op == Op::add) && i.then == Op::constant, "a total by an op that does not fit");
    require(i.op == Op::constant || begun_.contains(i.out), "a total that goes on before it was begun");
    begun_.insert(i.out);
  }

  /// The instructions that take numbers out of a tile or into it.
  void check_tile(const Instruction& i, const Shape& s) {
    if (i.kind == InstructionKind::reduce) {
      read(i, s, 0, s.rows, true);
      require(i.out + (s.rows - Wide{1}) * s.row_step < p_.total_count, "a total that is not there");
    } else if (i.kind == InstructionKind::reduce_products) {
      require(!p_.exact, "a product of rows in a tile of an exact program");
      for (std::size_t k = 0; k < 2; ++k) {
        s.step[k] == Shape::by_index ? check_indexed(i, s, k, true) : read_lanes(i, s, k, s.rows);
      }
      require(i.out + (s.rows - Wide{1}) * s.row_step < p_.total_count, "a total that is not there");
    } else if (i.kind == InstructionKind::reduce_outer) {
      require(!p_.exact, "a matrix product in a tile of an exact program");
      read_lanes(i, s, 0, Wide{s.places} * s.rows);
      read_lanes(i, s, 1, Wide{s.places} * s.terms);
      require(s.terms == 1 || s.term_step > 0, "totals on top of each other");
      require(last_entry(i.out, s) < p_.total_count, "a total that is not there");
    } else if (i.kind == InstructionKind::spill) {
      read_lanes(i, s, 0, s.rows);
      require(Wide{i.out} + s.rows <= p_.batch_slots, "a spill outside the slots");
      written_batch_ = std::max(written_batch_, Wide{i.out} + s.rows);
    } else if (i.kind == InstructionKind::reload) {
      require(Wide{i.x[0]} + s.rows <= p_.batch_slots, "a reload outside the slots");
      write(i.out, s.rows, true);
    } else if (i.kind == InstructionKind::store_sample) {
      read_lanes(i, s, 0, 1);
      require(i.out < p_.outputs.size(), "an output that is not there");
    } else if (i.kind == InstructionKind::store_output) {
      read(i, s, 0, s.rows, true);
      require(Wide{i.out} + s.rows <= p_.outputs.size(), "an output that is not there");
    } else {
      read(i, s, 0, s.rows, true);
      require(p_.has_input_gradients && Wide{i.out} + s.rows <= p_.input_count, "an input gradient that is not there");
    }
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
  Wide listed_ = 0;                                                  // indices in lists so far
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
