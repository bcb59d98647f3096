#include "fuzz/faults.h"

#include <algorithm>
#include <utility>

#include "tapeloom/core/program/program_check.h"

namespace tapeloom::test::fuzz {

namespace {

using K = InstructionKind;

/// Changes one instruction after another, the last first, until the program can still be run.
template <class Change>
bool change_one(Program& program, Change&& change) {
  for (std::size_t i = program.instructions.size(); i-- > 0;) {
    Program next = program;
    if (!change(next, next.instructions[i]) || !find_fault(next).empty()) continue;
    program = std::move(next);
    return true;
  }
  return false;
}

/// Changes an instruction's shape, which is made its own.
template <class Change>
bool change_shape(Program& program, Change&& change) {
  return change_one(program, [&](Program& next, Instruction& instruction) {
    Shape shape = next.shapes[instruction.shape];
    if (!change(instruction, shape) || shape == next.shapes[instruction.shape]) return false;
    instruction.shape = static_cast<std::uint32_t>(next.shapes.size());
    next.shapes.push_back(shape);
    return true;
  });
}

bool replace_op(Program& program, Op from, Op to) {
  return change_one(program, [=](Program&, Instruction& i) {
    if (i.kind != K::elementwise || i.op != from) return false;
    i.op = to;
    return true;
  });
}

/// Takes an instruction out of the list.
bool leave_out(Program& program, K kind) {
  for (std::size_t i = program.instructions.size(); i-- > 0;) {
    if (program.instructions[i].kind != kind) continue;
    program.instructions.erase(program.instructions.begin() + static_cast<std::ptrdiff_t>(i));
    for (Stage& stage : program.stages) {
      for (Range* range : {&stage.uniform, &stage.tile}) {
        if (range->begin > i) --range->begin;
        if (range->end > i) --range->end;
      }
    }
    return find_fault(program).empty();
  }
  return false;
}

bool is_product(const Instruction& i) { return i.kind == K::dense || i.kind == K::dense_reverse; }

const Fault all[] = {
    // In the recording.
    {"a tie that goes to the second operand", RecordingFault::tie_to_second},
    {"a branch without a guard", RecordingFault::dropped_guard},
    {"swapped operands", RecordingFault::swapped_operands},
    {"a lost term of a sum", RecordingFault::lost_term},
    {"a lost factor of two", RecordingFault::lost_factor_two},
    {"a stale weight", RecordingFault::stale_weight},
    {"the data of another sample", RecordingFault::kept_sample},
    {"a mean in place of a sum", RecordingFault::mean_for_sum},
    {"a loss without its weight", RecordingFault::lost_weight},
    {"the label of another class", RecordingFault::other_label},
    {"a slope that is lost", RecordingFault::relu_for_leaky},
    {"the neighbouring column", RecordingFault::neighbour},
    {"a derivative that does not follow", RecordingFault::stale_derivative},
    {"a derivative of the other sign", RecordingFault::other_sign},
    // In the program that is run.
    {"a sign in an instruction", {}, [](Program& p) { return replace_op(p, Op::add, Op::sub); }},
    {"swapped operands of an instruction",
     {},
     [](Program& p) {
       return change_one(p, [](Program& next, Instruction& i) {
         const bool bare =
             next.shapes[i.shape].step[0] == next.shapes[i.shape].step[1] && (i.uniform_mask & 3) % 3 == 0;
         if (i.kind != K::elementwise || (i.op != Op::sub && i.op != Op::div) || !bare) return false;
         std::swap(i.x[0], i.x[1]);
         return true;
       });
     }},
    {"a less that is less or equal", {}, [](Program& p) { return replace_op(p, Op::less, Op::less_equal); }},
    {"a largest value that is the smallest",
     {},
     [](Program& p) {
       return change_one(p, [](Program&, Instruction& i) {
         if ((i.kind != K::elementwise && i.kind != K::row_extreme) || i.op != Op::max) return false;
         i.op = Op::min;
         return true;
       });
     }},
    {"a derivative of another function",
     {},
     [](Program& p) { return replace_op(p, Op::tanh_adjoint, Op::sigmoid_adjoint); }},
    {"a derivative of relu that is always 1",
     {},
     [](Program& p) {
       return change_one(p, [](Program&, Instruction& i) {
         if (i.kind != K::elementwise || i.op != Op::relu_adjoint) return false;
         i.op = Op::max, i.x[0] = i.x[1];
         return true;
       });
     }},
    {"another activation in a product",
     {},
     [](Program& p) {
       return change_one(p, [](Program&, Instruction& i) {
         if (!is_product(i) || i.then != Op::tanh) return false;
         i.then = Op::sin;
         return true;
       });
     }},
    {"a stride of a matrix",
     {},
     [](Program& p) {
       return change_shape(p, [](const Instruction& i, Shape& shape) {
         if (!is_product(i) || shape.rows < 2 || shape.terms < 2) return false;
         std::swap(shape.row_step, shape.term_step);
         return true;
       });
     }},
    {"a stride of an operand",
     {},
     [](Program& p) {
       return change_shape(p, [](const Instruction& i, Shape& shape) {
         if (i.kind != K::elementwise || shape.rows < 2 || shape.step[0] != 1) return false;
         shape.step[0] = 0;
         return true;
       });
     }},
    {"a term fewer in a product",
     {},
     [](Program& p) {
       return change_shape(p,
                           [](const Instruction& i, Shape& shape) { return i.kind == K::dense && shape.terms-- > 1; });
     }},
    {"a row fewer in a total",
     {},
     [](Program& p) {
       return change_shape(p, [](const Instruction& i, Shape& shape) {
         return (i.kind == K::reduce || i.kind == K::reduce_products || i.kind == K::reduce_outer) && shape.rows-- > 1;
       });
     }},
    {"dropped guards",
     {},
     [](Program& p) {
       bool any = false;
       while (leave_out(p, K::guard)) any = true;
       return any;
     }},
    {"guards in another order",
     {},
     [](Program& p) {
       std::ranges::reverse(p.guards);
       return p.guards.size() > 1;
     }},
    {"a guard that expects the opposite",
     {},
     [](Program& p) {
       if (p.guards.empty()) return false;
       p.guards.back().expected = !p.guards.back().expected;
       return true;
     }},
    {"a total that is not added up", {}, [](Program& p) { return leave_out(p, K::reduce); }},
    {"a constant",
     {},
     [](Program& p) {
       for (double& number : p.constants) number = number * 1.5 + 0.25;
       return !p.constants.empty();
     }},
    {"a gradient from the neighbouring slot",
     {},
     [](Program& p) {
       for (GradientPiece& piece : p.gradients) {
         if (++piece.slot; find_fault(p).empty()) return true;
         --piece.slot;
       }
       return false;
     }},
    {"an output from the neighbouring slot",
     {},
     [](Program& p) {
       return change_one(p, [](Program&, Instruction& i) {
         if (i.kind != K::store_output) return false;
         ++i.x[0];
         return true;
       });
     }},
    {"a word of a list",
     {},
     [](Program& p) {
       for (std::uint32_t& word : p.indices) {
         if (word ^= 1; find_fault(p).empty()) return true;
         word ^= 1;
       }
       return false;
     }},
    {"a datum of a recorded sample",
     {},
     [](Program& p) {
       if (p.recorded_rows.empty()) return false;
       p.recorded_rows.back() += 0.5;
       return true;
     }},
};

}  // namespace

std::span<const Fault> faults() { return all; }

}  // namespace tapeloom::test::fuzz
