#include "tapeloom/runtime/files/categories.h"

#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/shown_text.h"

namespace tapeloom::inline TAPELOOM_ABI {

Categories::Categories(std::vector<std::string> texts) : texts_(std::move(texts)) {
  for (const std::string& text : texts_) {
    if (!numbers_.try_emplace(text, numbers_.size()).second) {
      throw BindError("categories: " + runtime::shown(text) + " comes twice");
    }
  }
}

const std::string& Categories::operator[](std::size_t number) const& {
  if (number >= size()) {
    throw BindError("there is no category " + std::to_string(number) + " but only " + std::to_string(size()));
  }
  return texts_[number];
}

std::optional<std::size_t> Categories::find(std::string_view text) const {
  const auto found = numbers_.find(text);
  if (found == numbers_.end()) return std::nullopt;
  return found->second;
}

std::size_t Categories::index(std::string_view text) const {
  if (const auto number = find(text)) return *number;
  throw BindError(runtime::shown(text) + " is none of the categories " + runtime::shown(texts_));
}

std::vector<Tensor> Categories::tensors(std::string_view name) const {
  std::vector<float> bytes;
  for (const std::string& text : texts_) {
    if (text.find('\0') != text.npos) throw BindError("category " + runtime::shown(text) + " has a zero in it");
    for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
    bytes.push_back(0.0F);
  }
  return {{std::string(name), {bytes.size()}, std::move(bytes)}};
}

Categories Categories::from(const TensorFile& file, std::string_view name) {
  const std::string what = "tensor \"" + std::string(name) + "\"";
  const Tensor* tensor = file.find(name);
  if (tensor == nullptr) throw BindError("there is no " + what + " in the file");
  std::vector<std::string> texts;
  std::string text;
  bool whole = true;
  for (std::size_t i = 0; i < tensor->size(); ++i) {
    const double byte = tensor->at(i);
    if (!(byte >= 0.0 && byte <= 255.0) || byte != static_cast<double>(static_cast<int>(byte))) {
      throw BindError(what + " holds no categories: a number is no byte");
    }
    whole = byte == 0.0;
    if (whole) {
      texts.push_back(std::exchange(text, {}));
    } else {
      text += static_cast<char>(static_cast<unsigned char>(byte));
    }
  }
  if (!whole) throw BindError(what + " holds no categories: the last byte is not zero");
  return texts;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
