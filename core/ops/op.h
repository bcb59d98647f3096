// The names of the op table as an enumeration, and the facts that need no formula.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

enum class Op : std::uint8_t {
#define TAPELOOM_LEAF(name) name,
#define TAPELOOM_REDUCTION(name) name,
#define TAPELOOM_OP(name, Struct) name,
#include "tapeloom/core/ops/ops.def"
};

inline constexpr std::size_t op_count = 0
#define TAPELOOM_LEAF(name) +1
#define TAPELOOM_REDUCTION(name) +1
#define TAPELOOM_OP(name, Struct) +1
#include "tapeloom/core/ops/ops.def"
    ;

/// No op, where there may be one.
inline constexpr Op no_op = static_cast<Op>(op_count);

/// What a row of the table is; decides which payload a node has and where it can stand.
enum class OpKind : std::uint8_t { leaf, reduction, scalar, comparison, adjoint, fused };

/// The row's name, kind, number of operands, and the C++ operator it is written with, or its formula, if there is one.
struct OpFacts {
  const char* name;
  OpKind kind;
  std::uint8_t arity;
  const char* sign = nullptr;
  const char* formula = nullptr;  ///< of a, b and c
};

inline constexpr OpFacts op_facts[op_count + 1] = {
#define TAPELOOM_LEAF(name) {#name, OpKind::leaf, 0},
#define TAPELOOM_REDUCTION(name) {#name, OpKind::reduction, 1},
#define TAPELOOM_OPERATOR(name, Struct, sign) {#name, OpKind::scalar, 2, #sign},
#define TAPELOOM_COMPARISON(name, Struct, sign) {#name, OpKind::comparison, 2, #sign},
#define TAPELOOM_UNARY(name, Struct) {#name, OpKind::scalar, 1},
#define TAPELOOM_BINARY(name, Struct) {#name, OpKind::scalar, 2},
#define TAPELOOM_TERNARY(name, Struct) {#name, OpKind::scalar, 3},
#define TAPELOOM_ADJOINT(name, Struct) {#name, OpKind::adjoint, 2},
#define TAPELOOM_FUSED(name, Struct, formula) {#name, OpKind::fused, 3, nullptr, formula},
#include "tapeloom/core/ops/ops.def"
    {"none", OpKind::leaf, 0},
};

constexpr const char* op_name(Op op) { return op_facts[static_cast<std::size_t>(op)].name; }
constexpr OpKind op_kind(Op op) { return op_facts[static_cast<std::size_t>(op)].kind; }
constexpr std::size_t op_arity(Op op) { return op_facts[static_cast<std::size_t>(op)].arity; }
constexpr const char* op_sign(Op op) { return op_facts[static_cast<std::size_t>(op)].sign; }
constexpr const char* op_formula(Op op) { return op_facts[static_cast<std::size_t>(op)].formula; }

}  // namespace tapeloom::inline TAPELOOM_ABI
