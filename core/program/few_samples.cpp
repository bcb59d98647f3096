// What steps of few samples cost, with samples as the lanes of vectors, and with rows.
#include <algorithm>
#include <map>
#include <vector>

#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/lists.h"

namespace tapeloom::inline TAPELOOM_ABI::cost {

namespace {

// Rows fill the widest vectors; samples that do not fill half of one are in shorter ones.
constexpr std::size_t bytes_of_rows = 64, bytes_of_few_samples = 32;
/// Seconds of a multiplication of vectors, of rows or of samples; and of samples by a number, in a product of theirs.
/// As steps of eight nets took on an Intel Xeon of 2023; those known of an AMD EPYC with AVX-512 agree with the first.
constexpr double vector = 0.2e-9, of_samples = 0.25e-9, by_number = 0.16e-9;
/// To call a kernel for the rows of one sample.
constexpr double call = 5e-9;
/// Until a product can be added to the sum before.
constexpr double next_of_sum = 1.2e-9;
/// To begin a stage's tiles so; and whatever else a step takes.
constexpr double beginning = 50e-9, step_of_one = 40e-9;
/// A number that is computed alone; and one of a list, which is moved or added to others: 0.45 to 0.85 in attention and
/// convolutions of two to eight samples.
constexpr double alone = 1.5e-9, of_list = 0.85e-9;

/// Whether it is no arithmetic: its vectors take some times as long.
bool is_function(Op op) {
  if (op == no_op || op_kind(op) != OpKind::scalar || op_sign(op) != nullptr) return false;
  constexpr Op arithmetic[] = {Op::neg, Op::abs,   Op::relu,  Op::square, Op::sqrt, Op::max,
                               Op::min, Op::where, Op::floor, Op::ceil,   Op::round};
  return std::find(std::begin(arithmetic), std::end(arithmetic), op) == std::end(arithmetic);
}

double seconds_of(Op op, std::size_t numbers, std::size_t number_size) {
  constexpr double of_function = 3.0;
  const double seconds = static_cast<double>(numbers * number_size) / sizeof(float) / numbers_a_second;
  return is_function(op) ? of_function * seconds : seconds;
}

/// Sums over few samples, in units of `of_samples`: as they were measured together with what surrounds them, where each
/// lane that is added counts for more than it takes among many (see dots).
std::size_t dots_of_few(std::size_t rows, std::size_t terms, std::size_t samples, std::size_t lanes) {
  constexpr std::size_t adding_lanes = 14;
  return rows * terms * (vectors_of(samples, lanes) + adding_lanes);
}

double with_samples_as_lanes(const Instruction& i, const Shape& s, std::size_t samples, std::size_t number_size) {
  const bool are_few = samples * number_size <= bytes_of_few_samples;
  const std::size_t lanes = (are_few ? bytes_of_few_samples : bytes_of_rows) / number_size;
  const std::size_t filled = vectors_of(samples, lanes) * lanes;
  if (i.kind == InstructionKind::reduce_outer) {
    const std::size_t multiplications = std::min(dots_of_few(s.rows, s.terms, samples, lanes),
                                                 product_over_samples(s.rows, s.terms, samples, lanes, s.terms));
    return start + of_samples * static_cast<double>(multiplications * s.places);
  }
  if (i.kind == InstructionKind::reduce || i.kind == InstructionKind::reduce_products) {
    return start + of_samples * static_cast<double>(dots_of_few(s.rows, 1, samples, lanes));
  }
  const double seconds = seconds_a_tile(i, s, filled, number_size);
  if (i.kind == InstructionKind::elementwise && is_function(i.op)) {
    return seconds + seconds_of(i.op, s.rows * filled, number_size);
  }
  if (!is_product(i)) return seconds;
  // Few sums at a time wait for one another.
  const Matrix w(i, s);
  const double finishing = is_function(i.then) ? seconds_of(i.then, w.results * s.places * filled, number_size) : 0.0;
  const double multiplying =
      (are_few ? by_number : vector) * static_cast<double>(w.results * vectors_of(samples, lanes));
  return finishing + start + std::max(multiplying, next_of_sum) * static_cast<double>(w.terms * s.places);
}

/// Of the rows of a sample, where they lie side by side.
double in_vectors(Op op, std::size_t rows, std::size_t lanes, std::size_t number_size) {
  const double calls = rows % lanes == 0 || rows < lanes ? 1.0 : 2.0;
  return calls * call + seconds_of(op, vectors_of(rows, lanes) * lanes, number_size);
}

/// Of an elementwise instruction: an operand's rows are brought side by side first.
bool has_rows_apart(const Instruction& i, const Shape& s) {
  return std::any_of(s.step.begin(), s.step.begin() + op_arity(i.op), [](std::uint32_t step) { return step > 1; });
}

/// With `uses` products that share the transpose of the matrix, if they need one.
double product_with_rows(const Instruction& i, const Shape& s, std::size_t samples, std::size_t number_size,
                         std::size_t uses) {
  const std::size_t lanes = bytes_of_rows / number_size;
  const Matrix w(i, s);
  const bool together = s.places > 1 && s.place_step == 0;
  const std::size_t rows = together ? s.places : samples, times = together ? samples : s.places;
  std::size_t multiplications = product_of_rows(rows, w.results, w.terms, lanes);
  if (!w.has_columns()) multiplications += transposing_rows(w.results, w.terms, lanes) / uses;
  bool finished = w.results % lanes == 0;
  const std::size_t by_dots = dots_of_rows(rows, w.results, w.terms, lanes);
  if (w.term_step == 1 && by_dots < multiplications) multiplications = by_dots, finished = false;
  double seconds = start + vector * static_cast<double>(times * multiplications);
  for (const Op op : {i.op, i.then}) {
    if (op == no_op || (finished && !is_function(op))) continue;
    seconds += static_cast<double>(samples) * in_vectors(op, w.results * s.places, lanes, number_size);
  }
  // Its operand, such as biases between weights, is brought side by side once, or for each sample.
  const bool apart = i.op != no_op && s.step[2] > 1;
  if (apart) seconds += alone * static_cast<double>(w.results * s.places * (finished ? 1 : samples));
  return seconds;
}

/// Of a gather, for one sample: of sums of rows of the tile, mostly neighbours of neighbours, or one by one.
double gathering(const Instruction& gather, const Shape& s, const std::uint32_t* indices, std::size_t lanes) {
  const std::vector<instructions::ListRun> runs = instructions::find_list_runs(gather, s, indices);
  if (!instructions::are_in_tile(runs, indices)) return static_cast<double>(gather.x[1]) * of_list;
  std::size_t vectors = 0;
  for (const instructions::ListRun& run : runs) vectors += (run.terms + 1) * vectors_of(run.rows, lanes);
  return call * static_cast<double>(runs.size()) + vector * static_cast<double>(vectors);
}

/// Of what is no product.
double with_rows_as_lanes(const Instruction& i, const Shape& s, const std::uint32_t* indices, std::size_t samples,
                          std::size_t number_size) {
  const std::size_t lanes = bytes_of_rows / number_size;
  const auto n = static_cast<double>(samples), rows = static_cast<double>(s.rows);
  const auto places = static_cast<double>(s.places);
  switch (i.kind) {
    case InstructionKind::reduce_outer: {
      // Totals are read and written once for all samples.
      const std::size_t vectors = s.rows * vectors_of(s.terms, lanes);
      return start + places * vector * static_cast<double>(vectors * (samples + 2));
    }
    case InstructionKind::elementwise: {
      return start + n * (in_vectors(i.op, s.rows, lanes, number_size) + (has_rows_apart(i, s) ? rows * alone : 0.0));
    }
    case InstructionKind::reduce:
      return start + n * (s.row_step == 1 ? in_vectors(no_op, s.rows, lanes, number_size) : rows * alone);
    case InstructionKind::row_sum:
      return start +
             n * static_cast<double>(s.terms) * (alone + vector * static_cast<double>(vectors_of(s.rows, lanes)));
    case InstructionKind::gather:
      return start + n * gathering(i, s, indices, lanes);
    case InstructionKind::row_extreme:
    case InstructionKind::row_extreme_reverse:
      return start + n * rows * static_cast<double>(s.terms) * alone;
    case InstructionKind::dense:
    case InstructionKind::dense_reverse:
    case InstructionKind::copy:
    case InstructionKind::reduce_products:
    case InstructionKind::guard:
    case InstructionKind::spill:
    case InstructionKind::reload:
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
    case InstructionKind::store_input_gradient:
    case InstructionKind::zero:
    case InstructionKind::add_at:
    case InstructionKind::outer:
      break;
  }
  return start + n * (call + rows * alone);
}

bool places_are_rows(const Shape& s) { return s.places > 1 && s.place_step == 0; }

/// Of a product that runs once a step, in multiplications of vectors, if the results do not lie side by side.
std::size_t product_by_terms(const Matrix& w, const Shape& s, std::size_t lanes) {
  const std::size_t rows = places_are_rows(s) ? s.places : 1;
  // Not together, a row at a time in one lane.
  const std::size_t multiplications =
      rows > 1 ? product_of_rows(rows, w.results, w.terms, lanes) + transposing_rows(w.results, w.terms, lanes)
               : std::size_t{w.results} * w.terms;
  return w.term_step != 1 ? multiplications : std::min(multiplications, dots_of_rows(rows, w.results, w.terms, lanes));
}

/// Whose results are finished where they are computed, in whole vectors.
double product_once_a_step(const Instruction& i, const Shape& s, bool transposed, std::size_t number_size) {
  const std::size_t lanes = bytes_of_rows / number_size;
  const Matrix w(i, s);
  const bool together = places_are_rows(s);
  const std::size_t rows = together ? s.places : 1, times = together ? 1 : s.places;
  std::size_t multiplications = product_of_rows(rows, w.results, w.terms, lanes);
  if (!transposed && !w.has_columns()) multiplications = product_by_terms(w, s, lanes);
  if (!transposed && w.term_step == 1) {
    multiplications = std::min(multiplications, dots_of_rows(rows, w.results, w.terms, lanes));
  }
  return start + vector * static_cast<double>(times * multiplications);
}

/// Of what runs once a step, whose rows lie side by side, too.
double once_a_step(const Instruction& i, const Shape& s, const std::set<Matrix>& transposed,
                   const std::uint32_t* indices, std::size_t number_size) {
  /// Numbers that are computed one after another, and those that are moved.
  constexpr double number = 2e-9, function = 8e-9, moved = 0.5e-9;
  const std::size_t lanes = bytes_of_rows / number_size;
  switch (i.kind) {
    case InstructionKind::elementwise: {
      if (s.rows == 1) return is_function(i.op) ? function : number;
      const double apart = has_rows_apart(i, s) ? number * static_cast<double>(s.rows) : 0.0;
      return number + seconds_of(i.op, vectors_of(s.rows, lanes) * lanes, number_size) + apart;
    }
    case InstructionKind::dense:
    case InstructionKind::dense_reverse:
      return product_once_a_step(i, s, transposed.contains(Matrix(i, s)), number_size);
    case InstructionKind::gather: {
      const std::vector<instructions::ListRun> runs = instructions::find_list_runs(i, s, indices);
      const double in_runs = static_cast<double>(runs.size()) * call + seconds_of(no_op, i.x[1], number_size);
      return start + (runs.empty() ? moved * static_cast<double>(i.x[1]) : in_runs);
    }
    case InstructionKind::add_at:
      return start + in_vectors(no_op, s.rows * s.terms, lanes, number_size);
    case InstructionKind::copy:
    case InstructionKind::zero:
      return start + moved * static_cast<double>(s.rows);
    case InstructionKind::outer: {
      const std::size_t places = s.place_step == 0 ? s.places : 1, times = s.place_step == 0 ? 1 : s.places;
      return start + vector * static_cast<double>(times * s.rows * vectors_of(s.terms, lanes) * (places + 1));
    }
    case InstructionKind::row_sum:
    case InstructionKind::row_extreme:
    case InstructionKind::row_extreme_reverse:
    case InstructionKind::guard:
    case InstructionKind::reduce:
    case InstructionKind::reduce_products:
    case InstructionKind::reduce_outer:
    case InstructionKind::spill:
    case InstructionKind::reload:
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
    case InstructionKind::store_input_gradient:
      break;
  }
  return with_rows_as_lanes(i, s, nullptr, 1, number_size);
}

/// Whether its instructions have some rows, on average; to look no closer where millions have one or two.
bool has_rows(const Program& program) {
  constexpr std::uint64_t some = 4;
  std::uint64_t rows = 0, count = 0;
  instructions::each(program, &Stage::tile, [&](std::uint32_t, const Instruction&, const Shape& s) {
    rows += std::uint64_t{std::max(s.rows, s.terms)} * s.places;
    ++count;
  });
  return rows >= some * count;
}

}  // namespace

std::size_t dots_of_rows(std::size_t samples, std::size_t results, std::size_t terms, std::size_t vector_lanes) {
  // Of each sum, where many are added together; those of one sample are stored in vectors.
  const std::size_t adding_lanes = samples == 1 ? 2 : 3;
  constexpr std::size_t starting = 10;
  return starting + results * samples * (vectors_of(terms, vector_lanes) + adding_lanes);
}

std::size_t product_of_rows(std::size_t samples, std::size_t results, std::size_t terms, std::size_t vector_lanes) {
  constexpr std::size_t starting = 10, at_a_time = 4;  // fewer sums wait for one another
  return starting + terms * std::max(samples * vectors_of(results, vector_lanes), at_a_time);
}

std::size_t transposing_rows(std::size_t results, std::size_t terms, std::size_t vector_lanes) {
  constexpr std::size_t each = 5;  // vector
  return each * terms * vectors_of(results, vector_lanes);
}

LaneCosts lane_costs(const Program& program, std::size_t samples, std::size_t number_size) {
  LaneCosts costs;
  std::map<std::uint32_t, std::size_t> uses;  // of the matrix that begins at a slot
  instructions::each(program, &Stage::tile, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    if (is_product(i) && !Matrix(i, s).has_columns()) ++uses[i.x[0]];
  });
  instructions::each(program, &Stage::tile, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    costs.samples += with_samples_as_lanes(i, s, samples, number_size);
    if (is_product(i)) {
      const auto found = uses.find(i.x[0]);
      costs.rows += product_with_rows(i, s, samples, number_size, found == uses.end() ? 1 : found->second);
    } else {
      costs.rows += with_rows_as_lanes(i, s, program.indices.data(), samples, number_size);
    }
  });
  return costs;
}

std::set<Matrix> transposed_once(const Program& program, std::size_t lanes) {
  struct Uses {
    std::size_t by_columns = 0, by_terms = 0;  // in multiplications of vectors
  };
  std::map<Matrix, Uses> read;
  instructions::each(program, &Stage::uniform, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    if (!is_product(i) || (s.places > 1 && !places_are_rows(s))) return;
    const Matrix w(i, s);
    if (w.has_columns() || !w.may_be_copied(program) || !w.is_of_parameters(program)) return;
    Uses& uses = read[w];
    uses.by_columns += product_of_rows(s.places, w.results, w.terms, lanes);
    uses.by_terms += product_by_terms(w, s, lanes);
  });
  std::set<Matrix> transposed;
  for (const auto& [w, uses] : read) {
    if (uses.by_columns + transposing_rows(w.results, w.terms, lanes) < uses.by_terms) transposed.insert(w);
  }
  return transposed;
}

double seconds_of_one_sample(const Program& program, std::size_t number_size) {
  double seconds = step_of_one;
  const std::set<Matrix> transposed = transposed_once(program, bytes_of_rows / number_size);
  for (const Matrix& w : transposed) {
    seconds += vector * static_cast<double>(transposing_rows(w.results, w.terms, bytes_of_rows / number_size));
  }
  instructions::each(program, &Stage::uniform, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    seconds += once_a_step(i, s, transposed, program.indices.data(), number_size);
  });
  if (program.one_row) return seconds;
  const LaneCosts costs = lane_costs(program, 1, number_size);
  return seconds + (rows_are_lanes(program, 1, number_size) ? costs.rows + beginning : costs.samples);
}

bool rows_are_lanes(const Program& program, std::size_t samples, std::size_t number_size) {
  // Of eight nets with 1 to 8 samples, in float and in double, rows took 0.2 to 5 times as long on an Intel Xeon of
  // 2023; where they are estimated to take less than 0.95, 0.2 to 1.08 times, and where more, 0.9 times at least but
  // for a few of three samples (0.6 to 0.8). Of 90 nets on an AMD EPYC of 2024, where they are estimated to take 0.95
  // to 1.1 times as long they took 0.57 to 1.37, in the geometric mean 0.85; at 1.15 to 1.2 about as long.
  constexpr double better = 1.05;
  if (!may_have_rows_as_lanes(program) || !has_rows(program)) return false;
  const LaneCosts costs = lane_costs(program, samples, number_size);
  return costs.rows + beginning < better * costs.samples;
}

bool may_have_rows_as_lanes(const Program& program) {
  if (program.exact || program.one_row || program.tile_slots == 0) return false;
  if (program.recorded_samples > most_few_samples) return false;
  // Its kernels for one sample take numbers of the tile.
  return std::none_of(program.instructions.begin(), program.instructions.end(), [](const Instruction& i) {
    return i.kind == InstructionKind::row_extreme_reverse && i.uniform_mask != 0;
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::cost
