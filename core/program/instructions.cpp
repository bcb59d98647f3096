#include "tapeloom/core/program/instructions.h"

#include "tapeloom/core/base/check.h"

namespace tapeloom::inline TAPELOOM_ABI::instructions {

std::string expression(Op op, const std::string* x) {
  if (op_sign(op) != nullptr) return x[0] + " " + op_sign(op) + " " + x[1];
  std::string text;
  if (op_formula(op) != nullptr) {
    for (const char c : std::string(op_formula(op))) text += c >= 'a' && c <= 'c' ? x[c - 'a'] : std::string(1, c);
    return text;
  }
  text = op_name(op);
  for (std::size_t k = 0; k < op_arity(op); ++k) text += (k == 0 ? "(" : ", ") + x[k];
  return text + ")";
}

Operands FinishedProduct::operands_of(std::uint64_t results, std::uint64_t terms) const {
  const Operand w{Source::matrix, all_entries()}, x{Source::lanes, terms};
  return has_op() ? Operands{w, x, {Source::numbers, results}} : Operands{w, x};
}

std::string FinishedProduct::finished_title(std::string name) const {
  if (has_op()) name += std::string(", ") + op_name(i.op);
  if (has_then()) name += std::string(", ") + op_name(i.then);
  return name;
}

std::string FinishedProduct::finished(const std::string& product, const std::string& operand) const {
  const std::string operands[] = {operand, product};
  std::string text = product;
  if (i.op == Op::add) {
    text += " + " + operand;
  } else if (has_op()) {
    text = expression(i.op, operands);
  }
  return has_then() ? op_name(i.then) + ("(" + text + ")") : text;
}

namespace {

/// What use(instruction) is for the struct of its kind.
template <class Use>
auto visit(const Instruction& i, const Shape& shape, Use&& use) {
  switch (i.kind) {
#define TAPELOOM_INSTRUCTION(name, Struct) \
  case InstructionKind::name:              \
    return use(Struct{i, shape});
#include "tapeloom/core/program/instructions.def"
  }
  fail_check("an instruction kind", __FILE__, __LINE__);
}

}  // namespace

Facts facts_of(const Instruction& i, const Shape& shape) {
  return visit(i, shape, [](const auto& of) {
    return Facts{of.rules, of.operands(), of.result(), of.extent(), of.flops(), of.matrix_product};
  });
}

std::string title_of(const Instruction& i, const Shape& shape) {
  return visit(i, shape, [](const auto& of) { return of.title(); });
}

std::string text_of(const Instruction& i, const Shape& shape, const Texts& x) {
  return visit(i, shape, [&](const auto& of) { return of.text(x); });
}

std::uint32_t window_rows(const Instruction& i, const Shape& shape) {
  return i.kind == InstructionKind::dense_reverse ? shape.rows : shape.terms;
}

std::uint32_t window_step(const Instruction& i, const Shape& shape) {
  return shape.windows.step != 0 ? shape.windows.step : window_rows(i, shape);
}

Shape run_of_places(Shape shape) {
  shape.places = shape.windows.places_a_run(shape.places);
  shape.windows.run = shape.windows.run_step = 0;
  return shape;
}

Instruction at_place(Instruction i, const Shape& shape, std::uint32_t place) {
  const Facts facts = facts_of(i, shape);
  const auto in_place = [&](std::uint64_t count) { return static_cast<std::uint32_t>(count / shape.places); };
  for (std::size_t k = 0; k < facts.operands.size(); ++k) {
    const auto [source, count, by_index] = facts.operands[k];
    const auto window = static_cast<std::uint32_t>(shape.windows.begin(place, window_rows(i, shape)));
    const std::uint32_t first = (k == 1 ? window : place * in_place(count)) * shape.step[k];
    i.x[k] += source == Source::matrix ? place * shape.place_step : first;
  }
  i.out += place * (facts.result.target == Target::rows ? in_place(facts.result.count) : shape.place_step);
  return i;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::instructions
