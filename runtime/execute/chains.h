// Chains of links (kernels.h), as a planner makes them.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "tapeloom/core/ops/op.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Chains, one after another.
template <class T>
struct Chains {
  const Link<T>* begin = nullptr;
  const Link<T>* end = nullptr;

  void run(std::size_t lanes) const {
    for (const Link<T>* link = begin; link != end;) link = link->run(link, T{}, Few<T>{}, lanes);
  }
};

/// Makes a list of chains, of so many instructions each at most.
template <class T>
class ChainBuilder {
 public:
  ChainBuilder(std::size_t longest, std::vector<Link<T>>& links) : links_(links), longest_(longest) { links.clear(); }

  /// Begins with the links of an instruction, in a new chain unless it goes on from the instruction before.
  void begin_instruction(bool goes_on) {
    if (!goes_on || instructions_ == longest_) end();
    ++instructions_;
  }
  void add(const Link<T>& link) {
    links_.push_back(link);
    last_number_ = last_rows_ = nullptr;
  }
  /// op(x[0], ...) of so many rows, one vector of that table, with one number for all of the operands of the mask.
  void add_vector(Link<T> link, const KernelTable<T>& table, Op op, unsigned uniform_mask, std::size_t rows) {
    if (table.link_of_last == nullptr || rows > few_rows<T>) return add(link);
    unsigned last_mask = 0;
    for (std::size_t k = 0; k < op_arity(op); ++k) {
      const bool is_last = link.x[k] == last_rows_ && rows <= last_row_count_ && (uniform_mask >> k & 1) == 0;
      if (is_last) last_mask |= 1u << k;
    }
    const auto of_last = table.link_of_last(op, uniform_mask, last_mask);
    if (of_last != nullptr) link.run = of_last;
    add(link);
    last_rows_ = link.out, last_row_count_ = rows;
  }
  /// *out = op(*x[0], ...)
  void add_number(Op op, T* out, const std::array<const T*, 3>& x) {
    unsigned last_mask = 0;
    for (std::size_t k = 0; k < op_arity(op); ++k) {
      if (x[k] == last_number_) last_mask |= 1u << k;
    }
    links_.push_back({.run = scalar_link<T>(op, last_mask), .out = out, .x = x});
    last_number_ = out;
    const bool writes_there = last_rows_ != nullptr && last_rows_ <= out && out < last_rows_ + last_row_count_;
    if (writes_there) last_rows_ = nullptr;
  }
  /// Of the latest chain, if there is one.
  void end() {
    if (instructions_ > 0) links_.push_back(end_of_chain<T>());
    instructions_ = 0, last_number_ = last_rows_ = nullptr;
  }

 private:
  std::vector<Link<T>>& links_;
  std::size_t longest_, instructions_ = 0;
  const T* last_number_ = nullptr;  // where the link before puts its one number
  const T* last_rows_ = nullptr;    // where the latest vector that was handed on is still
  std::size_t last_row_count_ = 0;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
