// What running a program costs, estimated: whatever chooses between two ways to compute something compares two of
// these. The figures are for one core of an AMD EPYC with AVX-512 in float, rounded; bench/instruction_costs.cpp and
// bench/product_bench.cpp measure them.
#pragma once

#include <cstddef>
#include <set>

#include "tapeloom/core/program/matrix.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::cost {

using instructions::is_product;
using instructions::Matrix;

/// Seconds to start an instruction, for a tile or once a step.
inline constexpr double start = 8e-9;
/// Once a step, seconds for an elementwise instruction, or a short sum, behind another one: of a row or two, which are
/// handed on in registers, and of more rows.
inline constexpr double link = 2e-9, longer_link = 4e-9;
/// Seconds to start each row that lies apart from the one before it: read by index, or the sum of a list.
inline constexpr double row_apart = 3e-9;
/// And what each number of a list adds to that.
inline constexpr double listed = 1e-9;
/// Of matrix products; and what everything else computes, in order.
inline constexpr double flops_a_second = 100e9, numbers_a_second = 10e9;
/// Where an instruction computes fewer numbers each time it is started, starting it counts.
inline constexpr std::size_t numbers_worth_a_start = 512;
/// For each thread that works on a step: waking one and meeting it again takes up to some tens of microseconds.
inline constexpr double seconds_worth_a_thread = 50e-6;

/// That hold so many numbers.
constexpr std::size_t vectors_of(std::size_t numbers, std::size_t lanes) { return (numbers + lanes - 1) / lanes; }

/// How often something is started when a tile goes through the instruction: once, or for every row that lies apart.
std::size_t starts(const Instruction& i, const Shape& shape);

/// Seconds that a tile of so many samples takes for the instruction.
double seconds_a_tile(const Instruction& i, const Shape& shape, std::size_t samples, std::size_t number_size);
/// Seconds that one of the samples takes for all stages, in tiles of so many.
double seconds_a_sample(const Program& program, std::size_t tile_samples, std::size_t number_size);

/// Of programs that are compared with one another, which are compiled for any number of samples.
inline constexpr std::size_t samples_compared = 8;
/// Seconds that a step of so many samples takes, in double, on one thread.
double seconds_a_step(const Program& program, std::size_t samples = samples_compared);
/// And those of it that do not depend on the samples.
double seconds_once(const Program& program);

/// Steps of at most so many samples may have the rows of a block as the lanes of vectors, which samples would not fill.
inline constexpr std::size_t most_few_samples = 8;
/// Seconds that the tiles of a step take, with samples as lanes and with rows.
struct LaneCosts {
  double samples = 0.0, rows = 0.0;
};
LaneCosts lane_costs(const Program& program, std::size_t samples, std::size_t number_size);
bool may_have_rows_as_lanes(const Program& program);
/// Whether a step of so many samples takes less time so, with numbers of that size. The same for every machine.
bool rows_are_lanes(const Program& program, std::size_t samples, std::size_t number_size);
/// Seconds that a step of one sample takes.
double seconds_of_one_sample(const Program& program, std::size_t number_size);
/// What the samples' product with a matrix takes so, in multiplications of vectors: as sums of products, and as a
/// product of the matrix whose results lie side by side; and what it takes to bring them there.
std::size_t dots_of_rows(std::size_t samples, std::size_t results, std::size_t terms, std::size_t vector_lanes);
std::size_t product_of_rows(std::size_t samples, std::size_t results, std::size_t terms, std::size_t vector_lanes);
std::size_t transposing_rows(std::size_t results, std::size_t terms, std::size_t vector_lanes);
/// Matrices of parameters that are transposed at the beginning of a step, since what runs once a step reads them so in
/// less time, also if that is counted.
std::set<Matrix> transposed_once(const Program& program, std::size_t vector_lanes);

/// `rows` x `terms` sums of products over the samples, in multiplications of vectors: one by one, which adds up the
/// lanes of each, and as a matrix product, for which so many of the terms have to be transposed. Measured for 1,204
/// shapes of 1 to 128 rows with AVX2 and AVX-512, where the cheaper of these is 1.7% from the best on the geometric
/// mean.
std::size_t dots(std::size_t rows, std::size_t terms, std::size_t samples, std::size_t vector_lanes);
std::size_t product_over_samples(std::size_t rows, std::size_t terms, std::size_t samples, std::size_t vector_lanes,
                                 std::size_t transposed);

}  // namespace tapeloom::inline TAPELOOM_ABI::cost
