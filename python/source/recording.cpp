#include "recording.h"

#include <algorithm>
#include <set>
#include <utility>

namespace tapeloom::python {

void Recording::compact() {
  objects_.resize(std::max(objects_.size(), tape_.size()));
  std::vector<NodeId> roots;
  for (std::size_t i = 0; i < tape_.size(); ++i) {
    if (objects_[i] != nullptr && objects_[i] != hidden()) roots.push_back(NodeId(i));
  }
  const Compaction to = tape_.compact(roots);

  for (std::size_t i = 0; i < to.nodes.size(); ++i) {
    ValueObject* object = std::exchange(objects_[i], nullptr);
    if (object == nullptr || to.nodes[i] == Compaction::dropped) continue;
    objects_[to.nodes[i]] = object;
    if (object != hidden()) object->value = tape_.value(NodeId(std::size_t{to.nodes[i]}));
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

  limit_ = std::max(fewest_nodes, 2 * tape_.size());
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
