#include "tapeloom/runtime/csv_fields.h"

#include <algorithm>

#include "tapeloom/core/error.h"
#include "tapeloom/runtime/shown_text.h"

namespace tapeloom::inline v0_1::runtime {

std::string_view CsvFields::trimmed(std::string_view text) const {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool CsvFields::empty_line(std::string_view text) const {
  return std::all_of(text.begin(), text.end(), [this](char c) { return is_blank(c); });
}

bool CsvFields::split(std::string_view text, std::string_view line_end, std::size_t line) {
  if (!open_) {
    characters_.clear();
    fields_.clear();
    line_ = line;
  }
  for (bool more = true; more;) {
    if (!open_) {
      while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
      if (separator_ == '\0' && text.empty()) return true;
      fields_.push_back({characters_.size(), characters_.size()});
      if (!text.starts_with('"')) {
        characters_ += cut(text, more);
        fields_.back().end = characters_.size();
        continue;
      }
      text.remove_prefix(1);
    }
    open_ = !append_quoted(text);
    if (open_) {
      characters_ += line_end;
      return false;
    }
    fields_.back().end = characters_.size();
    if (const std::string_view behind = cut(text, more); !behind.empty()) {
      throw DataError(path_, line_, fields_.size(), shown(behind) + " behind a quoted field");
    }
  }
  return true;
}

/// Takes everything up to the next separator off the text.
std::string_view CsvFields::cut(std::string_view& text, bool& more) const {
  const std::size_t found = separator_ == '\0' ? text.find_first_of(" \t") : text.find(separator_);
  const std::size_t end = std::min(found, text.size());
  const std::string_view field = trimmed(text.substr(0, end));
  more = end < text.size();
  text.remove_prefix(more ? end + 1 : end);
  return field;
}

/// Takes the rest of a quoted field and its quote off the text; false if the quote is not there.
bool CsvFields::append_quoted(std::string_view& text) {
  for (;;) {
    const std::size_t quote = text.find('"');
    characters_ += text.substr(0, quote);
    text.remove_prefix(std::min(quote, text.size()));
    if (text.empty()) return false;
    text.remove_prefix(1);
    if (!text.starts_with('"')) return true;
    characters_ += '"';
    text.remove_prefix(1);
  }
}

}  // namespace tapeloom::inline v0_1::runtime
