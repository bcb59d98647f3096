#include "recording.h"

#include <algorithm>
#include <set>
#include <utility>

namespace tapeloom::python {

void Recording::make_room(NodeId node) {
  const std::size_t wanted = std::size_t{node.index} + places_at_once;
  if (wanted > objects_.capacity()) objects_.reserve(2 * wanted);
  objects_.resize(wanted);
}

void Recording::compact() {
  if (pins_ > 0) {
    limit_ = 0;
    return;
  }
  objects_.resize(std::max(objects_.size(), tape_.size()));
  const std::size_t before = tape_.size();
  roots_.clear();
  for (std::size_t i = 0; i < before; ++i) {
    if (objects_[i] != nullptr && objects_[i] != hidden()) roots_.push_back(NodeId(i));
  }
  const Compaction to = tape_.compact(roots_);

  each_run(to.nodes, [&](std::uint32_t from, std::uint32_t place, std::uint32_t count) {
    std::copy_n(objects_.data() + from, count, objects_.data() + place);
  });
  std::fill(objects_.begin() + static_cast<std::ptrdiff_t>(tape_.size()),
            objects_.begin() + static_cast<std::ptrdiff_t>(before), nullptr);
  for (const NodeId root : roots_) {
    const NodeId place{std::size_t{to.nodes[root.index]}};
    objects_[place.index]->node = place;
  }

  std::vector<std::uint64_t> decisions(tape_.guards().size());
  for (std::size_t g = 0; g < decisions_.size(); ++g) {
    if (to.guards[g] == Compaction::dropped) {
      lost_before_ = std::max(lost_before_, decisions_[g] + 1);
    } else {
      decisions[to.guards[g]] = std::max(decisions[to.guards[g]], decisions_[g]);
    }
  }
  decisions_ = std::move(decisions);

  std::set<std::string, std::less<>> used;
  for (const InputGroup& group : tape_.input_groups()) used.insert(group.name);
  for (const UniformInputRecord& input : tape_.uniform_inputs()) used.insert(input.name);
  std::erase_if(names_, [&](const auto& name) { return !used.contains(name.first); });

  limit_ = fewest_nodes + 2 * tape_.size();
}

bool Recording::decide(const Condition& condition) {
  const bool truth = condition;
  // A comparison of numbers alone leaves no guard.
  for (; decisions_.size() < tape_.guards().size(); ++decided_) decisions_.push_back(decided_);
  return truth;
}

std::string Recording::free_name(const std::string& name) {
  const auto is_taken = [&](const std::string& asked) {
    return std::ranges::any_of(tape_.input_groups(), [&](const InputGroup& group) { return group.name == asked; }) ||
           std::ranges::any_of(tape_.uniform_inputs(), [&](const auto& input) { return input.name == asked; });
  };
  if (!is_taken(name)) return name;
  for (std::size_t i = 2;; ++i) {
    const std::string numbered = name + " (" + std::to_string(i) + ")";
    if (is_taken(numbered)) continue;
    names_[numbered] = name;
    return numbered;
  }
}

std::vector<Value> Recording::inputs(const std::string& name, std::span<const double> data) {
  return tape_.inputs(name.empty() ? name : free_name(name), data);
}

Value Recording::uniform_input(const std::string& name, double data) {
  return tape_.uniform_input(data, free_name(name));
}

}  // namespace tapeloom::python
