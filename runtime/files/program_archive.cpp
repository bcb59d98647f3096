#include "tapeloom/runtime/files/program_archive.h"

#include <cstring>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapeloom/runtime/files/file.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

// --- names -----------------------------------------------------------------------------------------------------------

std::vector<std::string> kind_names() { return {std::begin(instruction_names), std::end(instruction_names)}; }

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (std::size_t op = 0; op <= op_count; ++op) names.emplace_back(op_name(static_cast<Op>(op)));  // and no_op
  return names;
}

// --- writing and reading ---------------------------------------------------------------------------------------------

/// Of these, those that a program uses, in the order in which it does.
class UsedNames {
 public:
  explicit UsedNames(const std::vector<std::string>& all) : all_(all), numbers_(all.size(), unused) {}
  std::uint8_t number_of(std::size_t name) {
    if (numbers_[name] == unused) {
      numbers_[name] = static_cast<unsigned>(used_.size());
      used_.push_back(all_[name]);
    }
    return static_cast<std::uint8_t>(numbers_[name]);
  }
  const std::vector<std::string>& used() const { return used_; }

 private:
  static constexpr unsigned unused = 256;
  std::vector<std::string> all_, used_;
  std::vector<unsigned> numbers_;
};

class Writer {
 public:
  template <class T>
  requires std::is_arithmetic_v<T>
  void operator()(const T& number) { bytes_.append(reinterpret_cast<const char*>(&number), sizeof number); }
  void operator()(const bool& truth) { (*this)(static_cast<std::uint8_t>(truth)); }
  void operator()(const std::string& text) {
    (*this)(std::uint64_t{text.size()});
    bytes_ += text;
  }
  void operator()(const InstructionKind& kind) { (*this)(kinds.number_of(static_cast<std::size_t>(kind))); }
  void operator()(const Op& op) { (*this)(ops.number_of(static_cast<std::size_t>(op))); }
  template <class T>
  void list(const std::vector<T>& all) {
    (*this)(std::uint64_t{all.size()});
  }
  std::string& bytes() { return bytes_; }

  UsedNames kinds{kind_names()}, ops{op_names()};

 private:
  std::string bytes_;
};

/// Of one of them in a file.
template <class T>
std::size_t least_bytes();

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& path, std::size_t at) : bytes_(bytes), path_(path), at_(at) {}

  template <class T>
  requires std::is_arithmetic_v<T>
  void operator()(T& number) { std::memcpy(&number, take(sizeof number), sizeof number); }
  void operator()(bool& truth) {
    std::uint8_t byte = 0;
    (*this)(byte);
    if (byte > 1) fail("a truth that is neither 0 nor 1");
    truth = byte == 1;
  }
  void operator()(std::string& text) {
    std::uint64_t size = 0;
    (*this)(size);
    if (size > bytes_.size() - at_) fail("a text that is longer than the file");
    text.assign(take(size), size);
  }
  void operator()(InstructionKind& kind) { named(kind, kinds_, "a kind of instruction"); }
  void operator()(Op& op) { named(op, ops_, "an op"); }
  /// What is left of the file bounds the memory that is asked for here.
  template <class T>
  void list(std::vector<T>& all) {
    std::uint64_t size = 0;
    (*this)(size);
    if (size > (bytes_.size() - at_) / least_bytes<T>()) fail("a list that is longer than the file");
    all.resize(size);
  }
  /// The lists of names that the file was written with.
  void names(const std::vector<std::string>& kinds, const std::vector<std::string>& ops) {
    match(kinds, kind_names(), kinds_);
    match(ops, op_names(), ops_);
  }
  void end() const {
    if (at_ != bytes_.size()) fail("there is more than a program");
  }
  bool within_another = false;  ///< the program that is read, which has none of one sample then

  [[noreturn]] void fail(const std::string& what) const { fail_at(path_, at_, what); }

 private:
  const char* take(std::size_t count) {
    if (count > bytes_.size() - at_) fail("the program ends too early");
    return bytes_.data() + std::exchange(at_, at_ + count);
  }
  /// For each name of the file, its number here, or 256.
  static void match(const std::vector<std::string>& theirs, const std::vector<std::string>& ours,
                    std::vector<unsigned>& numbers) {
    for (const std::string& name : theirs) {
      unsigned number = 0;
      while (number < ours.size() && ours[number] != name) ++number;
      numbers.push_back(number < ours.size() ? number : 256);
    }
  }
  template <class Enum>
  void named(Enum& value, const std::vector<unsigned>& numbers, const char* what) {
    std::uint8_t byte = 0;
    (*this)(byte);
    if (byte >= numbers.size() || numbers[byte] == 256) fail(what + std::string(" that this library does not know"));
    value = static_cast<Enum>(numbers[byte]);
  }

  std::string_view bytes_;
  const std::string& path_;
  std::size_t at_;
  std::vector<unsigned> kinds_, ops_;
};

// --- what there is in a program, the same for both -------------------------------------------------------------------
// Taking every struct apart makes a new field a compiler's error here. A new field needs a new
// program_format_version.

template <class Archive, class Struct>
void fields(Archive& file, Struct& all);

template <class Archive, class List>
void each(Archive& file, List& list) {
  file.list(list);
  for (auto& element : list) {
    if constexpr (std::is_class_v<std::remove_cvref_t<decltype(element)>> &&
                  !std::is_same_v<std::remove_cvref_t<decltype(element)>, std::string>) {
      fields(file, element);
    } else {
      file(element);
    }
  }
}

template <class Archive, class Struct>
void fields(Archive& file, Struct& all) {
  using Plain = std::remove_cv_t<Struct>;
  if constexpr (std::is_same_v<Plain, ProgramParameter>) {
    auto& [label, initial, frozen, node] = all;
    file(label), file(initial), file(frozen), file(node.index);
  } else if constexpr (std::is_same_v<Plain, ProgramInputGroup>) {
    auto& [name, first, count, used] = all;
    file(name), file(first.index), file(count), file(used);
  } else if constexpr (std::is_same_v<Plain, ProgramAssignment>) {
    auto& [parameter, slot] = all;
    file(parameter.index), file(slot);
  } else if constexpr (std::is_same_v<Plain, ProgramUniformInput>) {
    auto& [name, initial] = all;
    file(name), file(initial);
  } else if constexpr (std::is_same_v<Plain, ProgramGuard>) {
    auto& [description, number, expected] = all;
    file(description), file(number), file(expected);
  } else if constexpr (std::is_same_v<Plain, ProgramOutput>) {
    auto& [label, varying, slot, sample] = all;
    file(label), file(varying), file(slot), file(sample);
  } else if constexpr (std::is_same_v<Plain, Range>) {
    auto& [begin, end] = all;
    file(begin), file(end);
  } else if constexpr (std::is_same_v<Plain, GradientPiece> || std::is_same_v<Plain, Load>) {
    auto& [first, count, slot] = all;
    file(first.index), file(count), file(slot);
  } else if constexpr (std::is_same_v<Plain, Instruction>) {
    auto& [kind, op, then, uniform_mask, accumulates, follows_row_sums, exact_rows, shape, out, x, nodes] = all;
    auto flags = static_cast<std::uint8_t>(uniform_mask | accumulates << 3 | follows_row_sums << 4 | exact_rows << 5);
    file(kind), file(op), file(then), file(flags), file(shape), file(out);
    if constexpr (std::is_same_v<Archive, Reader>) {
      if (flags >> 6 != 0) file.fail("a flag that this library does not know");
      uniform_mask = flags & 7, accumulates = (flags & 8) != 0, follows_row_sums = (flags & 16) != 0;
      exact_rows = (flags & 32) != 0;
    }
    for (auto& operand : x) file(operand);
    file(nodes);
  } else if constexpr (std::is_same_v<Plain, WindowSteps>) {
    auto& [step, run, run_step] = all;
    file(step), file(run), file(run_step);
  } else if constexpr (std::is_same_v<Plain, Shape>) {
    auto& [rows, terms, row_step, term_step, step, places, place_step, windows, gaps] = all;
    file(rows), file(terms), file(row_step), file(term_step);
    for (auto& one : step) file(one);
    file(places), file(place_step), fields(file, windows), file(gaps);
  } else {
    static_assert(std::is_same_v<Plain, Stage>);
    auto& [uniform, tile, inputs, totals] = all;
    fields(file, uniform), fields(file, tile), fields(file, inputs), fields(file, totals);
  }
}

void one_sample_fields(Writer& file, const Program& program);
void one_sample_fields(Reader& file, Program& program);

template <class Archive, class AnyProgram>
void program_fields(Archive& file, AnyProgram& program) {
  auto& [parameters, input_groups, input_count, random_count, uniform_inputs, constants, guards, outputs, loss_slot,
         trained, gradients, assignments, has_gradients, has_input_gradients, exact, is_of_training, repeats_for_nan,
         instructions, shapes, indices, stages, loads, total_count, uniform_slots, tile_slots, batch_slots, one_row,
         is_mean_over_samples, of_one_sample, recorded_samples, recorded_rows, recording, tape, generation,
         recorded_nodes, live_nodes, leaf_nodes] = program;
  static_cast<void>(recording), static_cast<void>(tape), static_cast<void>(generation);  // of this process alone
  each(file, parameters), each(file, input_groups), file(input_count), file(random_count);
  each(file, uniform_inputs), each(file, assignments), file(is_of_training);
  each(file, constants), each(file, guards), each(file, outputs), file(loss_slot), each(file, trained);
  each(file, gradients), file(has_gradients), file(has_input_gradients), file(exact), file(repeats_for_nan);
  each(file, instructions), each(file, shapes), each(file, indices), each(file, stages), each(file, loads),
      file(total_count);
  file(uniform_slots), file(tile_slots), file(batch_slots), file(recorded_samples), each(file, recorded_rows);
  file(recorded_nodes), file(live_nodes), file(leaf_nodes), file(one_row), file(is_mean_over_samples);
  bool has_one_sample = of_one_sample != nullptr;
  file(has_one_sample);
  if (has_one_sample) one_sample_fields(file, program);
}

/// What the whole program has, too, is written once.
void one_sample_fields(Writer& file, const Program& program) {
  Program one = *program.of_one_sample;
  one.parameters.clear(), one.input_groups.clear(), one.uniform_inputs.clear();
  program_fields(file, one);
}
void one_sample_fields(Reader& file, Program& program) {
  if (file.within_another) file.fail("a program of one sample within another one");
  const auto one = std::make_shared<Program>();
  file.within_another = true;
  program_fields(file, *one);
  file.within_another = false;
  one->parameters = program.parameters, one->input_groups = program.input_groups;
  one->uniform_inputs = program.uniform_inputs;
  program.of_one_sample = one;
}

template <class T>
std::size_t least_bytes() {
  static const std::size_t bytes = [] {
    Writer writer;
    std::vector<T> one(1);
    each(writer, one);
    return writer.bytes().size() - sizeof(std::uint64_t);
  }();
  return bytes;
}

}  // namespace

std::string archive_of(const Program& program) {
  Writer body, names;
  program_fields(body, program);
  each(names, body.kinds.used());
  each(names, body.ops.used());
  return names.bytes() + body.bytes();
}

Program read_archive(std::string_view bytes, const std::string& path, std::size_t at) {
  Reader file(bytes, path, at);
  std::vector<std::string> kinds, ops;
  each(file, kinds);
  each(file, ops);
  file.names(kinds, ops);
  Program program;
  program_fields(file, program);
  file.end();
  return program;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
