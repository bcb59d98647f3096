// The numbers that stand for texts: the same ones in every file, and saved with the model.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/files/safetensors.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Texts, each once; the first one has the number 0, the next 1, and so on.
class TAPELOOM_API Categories {
 public:
  Categories() = default;
  /// Throws BindError for a text that comes twice.
  Categories(std::vector<std::string> texts);
  Categories(std::initializer_list<std::string> texts) : Categories(std::vector<std::string>(texts)) {}

  std::size_t size() const { return texts_.size(); }
  const std::vector<std::string>& texts() const& { return texts_; }
  std::vector<std::string> texts() && { return std::move(texts_); }
  /// The text of that number. Throws BindError for a number that is none's.
  const std::string& operator[](std::size_t number) const&;
  std::string operator[](std::size_t number) && { return std::as_const(*this)[number]; }
  /// The number of a text; none for an unknown one.
  std::optional<std::size_t> find(std::string_view text) const;
  /// The same, or a BindError that names the known ones.
  std::size_t index(std::string_view text) const;

  /// As one tensor of that name: the bytes of all texts, each with a zero behind it. `from` makes them texts again.
  /// Both throw BindError, for a text with a zero in it and for a tensor that is missing or something else.
  std::vector<Tensor> tensors(std::string_view name) const;
  static Categories from(const TensorFile& file, std::string_view name);

  friend bool operator==(const Categories& a, const Categories& b) { return a.texts_ == b.texts_; }

 private:
  std::vector<std::string> texts_;
  std::map<std::string, std::size_t, std::less<>> numbers_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
