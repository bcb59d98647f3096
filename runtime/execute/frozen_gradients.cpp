// Which gradients are zero, where they lie side by side in the uniform slots and where they are collected.
#include <algorithm>

#include "tapeloom/runtime/execute/interpreter.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

template <class T>
bool Interpreter<T>::gradients_are_in_place() const {
  const std::size_t all = program_.parameters.size();
  if (program_.gradients.size() != 1 || program_.gradients[0].count != all) return false;
  // Nothing else may lie where those of frozen parameters will be zeros.
  const std::uint32_t first = program_.gradients[0].slot;
  const auto among = [&](std::uint32_t slot) { return slot >= first && slot - first < all; };
  return first >= program_.first_total() &&
         std::ranges::none_of(program_.assignments, among, &ProgramAssignment::slot) && trained_.size() == 1 &&
         trained_[0].size() == all;
}

template <class T>
bool Interpreter<T>::hides_frozen() const {
  return gradients_in_place_ && (trained_.size() != 1 || trained_[0].size() != program_.parameters.size());
}

/// Of gradients that lie in place; they are kept where others are collected, since what is frozen may be thawed before
/// the next step.
template <class T>
void Interpreter<T>::hide_frozen() {
  T* const shown = gradients_data();
  T* const hidden = arena_.data(gradients_);
  each_frozen([&](std::uint32_t begin, std::uint32_t end) {
    std::copy(shown + begin, shown + end, hidden + begin);
    std::fill(shown + begin, shown + end, T(0));
  });
}

template <class T>
void Interpreter<T>::show_frozen() {
  T* const shown = gradients_data();
  const T* const hidden = arena_.data(gradients_);
  each_frozen([&](std::uint32_t begin, std::uint32_t end) { std::copy(hidden + begin, hidden + end, shown + begin); });
}

template <class T>
void Interpreter<T>::set_trained(std::span<const Range> trained) {
  if (!formed_) form_gradients();
  if (gradients_in_place_) show_frozen();
  trained_.assign(trained.begin(), trained.end());
  descends_by_held_ = false;
  gradients_in_place_ ? hide_frozen() : collect_gradients();
  is_prepared_ = is_prepared_ || hides_frozen();
}

#define TAPELOOM_INSTANTIATE(T)                                 \
  template bool Interpreter<T>::gradients_are_in_place() const; \
  template bool Interpreter<T>::hides_frozen() const;           \
  template void Interpreter<T>::hide_frozen();                  \
  template void Interpreter<T>::show_frozen();                  \
  template void Interpreter<T>::set_trained(std::span<const Range>);
TAPELOOM_INSTANTIATE(float)
TAPELOOM_INSTANTIATE(double)
#undef TAPELOOM_INSTANTIATE

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
