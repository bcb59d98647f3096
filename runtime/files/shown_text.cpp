#include "tapeloom/runtime/files/shown_text.h"

#include <algorithm>

#include "tapeloom/runtime/files/json.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

std::string shown(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::size_t size = std::min(text.size(), longest);
  const bool utf8 = is_utf8(text);
  while (utf8 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  std::string quoted = "\"";
  for (const char c : text.substr(0, size)) {
    const bool ascii = static_cast<unsigned char>(c) < 0x80;
    quoted += (ascii ? c >= ' ' && c <= '~' : utf8) ? c : '?';
  }
  return quoted + (size < text.size() ? "...\"" : "\"");
}

std::string shown(std::span<const std::string> texts) {
  constexpr std::size_t most = 20;
  std::string list;
  for (const std::string& text : texts.first(std::min(texts.size(), most)))
    list += (list.empty() ? "" : ", ") + shown(text);
  return texts.size() > most ? list + ", ..." : list;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
