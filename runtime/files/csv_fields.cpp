#include "tapeloom/runtime/files/csv_fields.h"

#include <algorithm>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/shown_text.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

bool CsvFields::empty_line(std::string_view text) const {
  return std::all_of(text.begin(), text.end(), [this](char c) { return is_blank(c); });
}

bool CsvFields::split(std::string_view text, std::string_view line_end, std::size_t line) {
  if (!open_) {
    characters_.clear();
    fields_.clear();
    line_ = line;
  }
  at_ = characters_.size();
  characters_ += text;
  for (bool more = true; more;) {
    if (!open_) {
      while (at_ < characters_.size() && is_blank(characters_[at_])) ++at_;
      if (separator_ == '\0' && at_ == characters_.size()) return true;
      if (at_ == characters_.size() || characters_[at_] != '"') {
        fields_.push_back(cut(more));
        continue;
      }
      ++at_;
      fields_.push_back({at_, at_});
    }
    open_ = !close_quotes(fields_.back());
    if (open_) {
      characters_.resize(fields_.back().end);
      characters_ += line_end;
      fields_.back().end = characters_.size();
      return false;
    }
    if (const Field behind = cut(more); behind.begin != behind.end) {
      throw DataError(path_, line_, fields_.size(), shown(text_of(behind)) + " behind a quoted field");
    }
  }
  return true;
}

/// Everything up to the next separator, without blanks at its ends; goes behind that.
CsvFields::Field CsvFields::cut(bool& more) {
  const std::size_t found =
      separator_ == '\0' ? characters_.find_first_of(" \t", at_) : characters_.find(separator_, at_);
  Field field{at_, std::min(found, characters_.size())};
  more = field.end < characters_.size();
  at_ = field.end + (more ? 1 : 0);
  while (field.begin < field.end && is_blank(characters_[field.begin])) ++field.begin;
  while (field.begin < field.end && is_blank(characters_[field.end - 1])) --field.end;
  return field;
}

/// Adds what is within quotes to the field, moved to its end, and goes behind them; false if the line ends first.
bool CsvFields::close_quotes(Field& field) {
  for (;;) {
    const std::size_t quote = std::min(characters_.find('"', at_), characters_.size());
    std::copy(characters_.begin() + static_cast<std::ptrdiff_t>(at_),
              characters_.begin() + static_cast<std::ptrdiff_t>(quote),
              characters_.begin() + static_cast<std::ptrdiff_t>(field.end));
    field.end += quote - at_;
    at_ = quote;
    if (at_ == characters_.size()) return false;
    ++at_;
    if (at_ == characters_.size() || characters_[at_] != '"') return true;
    characters_[field.end++] = '"';
    ++at_;
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
