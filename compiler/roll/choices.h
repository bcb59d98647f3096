// Where rolling has several ways, which one is taken: every threshold of compiler/roll, with what it decides between.
#pragma once

#include <cstddef>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler::choices {

/// Classes by level are tried where at least so many classes by history, or kinds of terms, become part of others, and
/// at least one of so many.
constexpr std::size_t fewest_merged = 8, least_share_merged = 4;
/// Where they leave at most one class of so many, classes by history are not tried.
constexpr std::size_t most_classes_left = 3;
/// Sums so many of whose kinds of terms become part of others are mixed: terms of one sign go together.
constexpr std::size_t few_kinds = 3;
/// Rows of a mixed class that are computed run by run are read run by run, so often until they meet in one row.
constexpr std::size_t readers_of_runs = 8;
/// Sums whose terms are read in at most this share of the time in recorded order keep it.
constexpr double better_as_recorded = 0.5;
/// Rows of one block whose operands are read in at most this share of the time by the distances between them are in
/// that order, if there are not more distances than half the neighbours of a place in three dimensions are away. Of all
/// pairs of 20 to 40 the sums over each one's pairs took longer then, and of 160 twice as many instructions.
constexpr double better_by_distance = 0.5;
constexpr std::size_t most_distances = 13;
/// A program by level is taken where it is estimated to take at most a share of the time of that by history; if
/// anything varies from sample to sample, less. A thousand irregular operations over 64 samples, estimated at 0.85,
/// took 0.91 with AVX-512, and with AVX2 half as many machine instructions more. An LU factorisation, once a step,
/// estimated at 0.76, took 0.86.
///
/// Where the values alone, before any pass, are estimated to take at most the share `sure`, or by history at least
/// `sure_by_history`, the other program is not made. Of 3,899 programs of the tests, 236 are decided so, and 13 of them
/// otherwise than by the whole programs, by whose estimates they take up to 1.2 times as long.
struct Shares {
  double better, sure, sure_by_history;
  bool only_fewer;  ///< nor is one made by level that has no fewer blocks than by history
};
constexpr Shares by_level = {.better = 0.9, .sure = 0.85, .sure_by_history = 1.3, .only_fewer = false};
constexpr Shares by_level_varying = {.better = 0.75, .sure = 0.6, .sure_by_history = 1.3, .only_fewer = true};
/// Where nearly all are links of chains both ways (see below), the values tell: of 89,919 random programs 7 are decided
/// otherwise so than by the whole programs, whose steps take 1.0 to 1.2 times as long then.
constexpr Shares chains_by_level = {.better = 0.9, .sure = 0.88, .sure_by_history = 0.9, .only_fewer = false};
/// What is links of a row or two by history (see cost::link) is put together in longer ones by level, and read apart
/// again. So where nearly all by history are links, so many for each other instruction, that by level is not taken if
/// its values are estimated to take so many times as long. That decides 48 of 12,000 random programs otherwise than
/// their estimates, whose steps take 0.76 of the time then on the geometric mean, 0.3 to 1.15 each; of Lotka's and
/// Volterra's equations they take 0.4.
constexpr std::size_t mostly_links = 6;
constexpr double slower_in_chains = 1.15;

/// Candidates whose operands lie in more runs of evenly spaced rows than this become one block that gathers its
/// operands, rather than a block for each run.
constexpr std::size_t few_runs = 3;
/// The same where two operands or more are to be gathered, from so many runs on.
constexpr std::size_t many_runs = 8;

/// What is recorded again with its operands in another order is computed once where so many in a row, on average, lie
/// at one distance from the first ones, as what is between neighbours does. The halves of a symmetric matrix of 6 x 6,
/// read as one, made its product with a vector take 1.5 times as long.
constexpr std::size_t least_twins_a_distance = 4;

/// Rows of one block are tried in the orders of so many of their operands: each time it is counted how many of all
/// operands are gathered, and sums may have any number of terms.
constexpr std::size_t most_orders = 32;

/// Sums, or extremes, of more lengths than this go together as lists, rather than length by length.
constexpr std::size_t few_lengths = 3;
/// Layers of more lists of values than this are products at places, rather than a product each; of more sets of
/// weights, each place has its own, rather than those of a set a product.
constexpr std::size_t few_places = 3, few_sets_of_weights = 3;
/// More biases of each sum are added up by one row sum, rather than one after another.
constexpr std::size_t few_biases = 3;

/// Lists go together, filled up to the longest or with gaps, while that is at most so many times what there is. Beyond
/// it, those of about the same length do.
constexpr std::size_t most_filling = 3;
/// Sums that have parts of the same weights are one product with all of them where that has at most so many terms for
/// each that there is: in a product, a term costs less than the instructions, and the copies of weights, of another
/// one.
constexpr std::size_t most_terms_a_term = 2;
/// Sums and extremes of fewer terms are not made lists to go with longer ones: a list costs more than is gained.
constexpr std::size_t shortest_list = 3;

/// Sums of different lengths stay matrices where there are so many of them for each list of inputs.
constexpr std::size_t least_rows_of_matrix = 4;

/// Products with other weights than parameters, from so many a sum on, are matrix products. Fewer are as good as
/// elementwise ones, of which idioms are made.
constexpr std::size_t least_other_weights = 4;

/// Where every sum has values of its own, up to so many products a sum are elementwise: of more, a matrix product
/// of one row is as fast as elementwise products and sums.
constexpr std::size_t few_own_columns = 3;
/// So many sums are worth gathering what they add, if they are taken for terms like others then. Of fewer, runs have to
/// be long: at least twice as long as there are products a sum.
constexpr std::size_t many_sums = 16;
constexpr std::size_t least_run_a_product = 2;

/// The gates of a cell, read where they are: at most so many matrices of the same values, of at least so many rows
/// on average; and at most so many groups of neighbouring columns, as those of W x + U h.
constexpr std::size_t most_matrices = 8, least_rows_of_each = 4;
constexpr std::size_t most_parts = 4;

/// Alike terms of several sums that lie side by side are added one after another: up to `few_anywhere` of them
/// wherever they lie, up to `many_in_place` where they are read in place. Once a step up to `many_by_cost`, such as the
/// neighbours in a grid, where reading them in runs costs less than to bring them side by side: a step of heat in a
/// plane takes 0.62 of the time so. More are one row sum.
constexpr std::size_t few_anywhere = 3, many_in_place = 4, many_by_cost = 8;

/// A few sums of many terms, as dot products, are added up each by itself: so many sums at most, and instructions for
/// them (three a kind of terms and sum) are less than two for each term that they would take side by side.
constexpr std::size_t most_one_by_one = 4;
constexpr std::size_t cost_one_by_one = 3, cost_side_by_side = 2;

/// A max or min whose operands are read in place is elementwise where it has nearly as many rows as operands, or where
/// these are more than few, so many rows an operand; else, or gathered, it is a row extreme. Of windows of 6 to 48
/// operands over twice as many places and more, a step took 0.15 to 0.8 times as long so with one sample, and 0.4 to
/// 1.1 times with 4 to 64.
constexpr std::size_t few_operands = 5, rows_an_operand = 2;
/// As many rows as numbers of an Executor<float> can count: no row extreme has more operands.
constexpr std::size_t most_rows = 1 << 24;

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler::choices
