// The passes: Graph in, Graph out, one file each. All are linear in blocks and none recurses.
#pragma once

#include <span>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/guard_numbers.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Where a pass has several ways, which one is taken: every threshold of compiler/passes.
namespace choices {
/// Contributions to the same rows are added at once if they are found among so many latest ones of their block: users
/// of the same rows mostly follow one another, or take turns with the other parameters of a layer.
constexpr std::size_t most_looked_back = 32;
/// So many contributions to the same rows are sums; more of them are lists, which take less time than so many
/// additions.
constexpr std::size_t few_added = 8;
/// Contributions to more rows than this are added one after another where a few would be lists.
constexpr std::size_t few_listed_rows = 8;
/// Of more contributions of one block, one batch sum of all side by side is made rather than one for each.
constexpr std::size_t few_batch_sums = 8;
/// Lists of more parts become part of the only list that they are added to.
constexpr std::size_t few_flattened = 3;
/// Sums once a step, of more parts or rows, read what is put together of more parts where it is; where each adds up as
/// many rows, if these are no more.
constexpr std::size_t few_summed_lists = 8, most_listed_terms = 16;
/// A concat of more parts passes its adjoint on to each block once, rather than part by part.
constexpr std::size_t few_parts = 3;
/// Rows that lie close together are one contribution with zeros between them, if it has at most so many rows in all:
/// that many for each row that is added to, and so many more.
constexpr std::size_t most_zeros_a_row = 4, most_zeros = 64;
/// An exponent is followed back through so many factors to what it is a multiple of.
constexpr int most_factors = 4;
/// Guarded rows of a block in more runs of evenly spaced rows are gathered for one guard, rather than a guard each.
constexpr std::size_t few_guard_runs = 2;
/// Sums of products of fewer results stay sums.
constexpr std::size_t least_matrix_entries = 4;
/// And so do those that would be less than one in so many entries of a matrix product.
constexpr std::size_t most_entries_a_dot = 2;
/// Vectors that begin with the same row are compared with so many latest ones; vectors of matrices begin apart.
constexpr std::size_t most_with_one_beginning = 8;
}  // namespace choices

/// Leaves out blocks that no root depends on. requires: a valid graph. maintains: order, meaning.
inline Graph remove_dead(Graph graph) {
  drop_dead(graph, find_live(graph));
  return graph;
}

/// The same for steps of one sample alone, which is uniform then: what it is computed from are rows. requires: a valid
/// graph, not differentiated yet. maintains: order, meaning.
Graph of_one_sample(const Graph& graph);
/// Whether the loss of several samples, and with it its derivatives, is the mean of those that each has alone, and
/// outputs are those of each. Of a graph that is not for one sample yet, nor differentiated.
bool is_mean_over_samples(const Graph& graph);

/// Computes elementwise blocks of constants, in double. Parameters and inputs are never folded, whatever number they
/// had while recording. requires: a valid graph. maintains: order, every bit.
Graph fold_constants(Graph graph);

/// Merges blocks of the same kind, op, payload and operands. requires: a valid graph. maintains: order, every bit of
/// every value; not the order in which gradients are added.
Graph merge_common_subexpressions(Graph graph);

/// Algebraic identities that hold for NaN and infinity as well; the sign of a zero and the last bits may change. Before
/// differentiation only those whose derivatives are the same where they are infinite or not a number.
/// requires: a valid graph. maintains: order.
Graph simplify(const Graph& graph, bool before_differentiation);

/// Finds tanh, sigmoid, softplus and relu written through exp, log, max and comparisons, with the same derivative; what
/// overflows as it was written does not any more. requires: a valid graph, not differentiated yet, in which equal
/// blocks are merged where that is to help. maintains: order; other users of what a function was written with.
Graph recognise_idioms(Graph graph);

/// Takes the sign and the doubling of a total rather than of each number that is added up, and puts totals where they
/// belong rather than those, where nothing else reads them. requires: a valid graph in which equal blocks are merged.
/// maintains: order; every bit but the sign of a zero, unless a doubled number overflows or a product underflows.
Graph move_factors(Graph graph);

/// Adds up outer products that nobody else reads, once a step, as one product over as many places, as those of a matrix
/// that is used again and again. requires: a valid graph. maintains: order; the sum is rounded in another order.
Graph merge_products(Graph graph);

/// Adds two parameters once a step, rather than one and then the other to what varies, as to a product for a layer's
/// input and its state with a bias each. requires: a valid graph, not differentiated yet. maintains: order; a sum is
/// rounded in another order.
Graph add_parameters_first(Graph graph);

/// Makes matrix products of sums of products of what is computed once a step, where the same vectors meet one another
/// again and again, as queries and keys do. `any_missing` becomes true if there are entries that are no such sums, or
/// gaps. requires: a valid graph, not differentiated yet. maintains: order; sums are rounded in another order.
Graph find_matrix_products(Graph graph, bool& any_missing);

/// Makes one product of a row and a vector of a sum over products of rows, once a step, which nobody else reads.
/// requires: a valid graph. maintains: order; the sum is rounded in another order.
Graph find_dots(Graph graph);

/// Adds up in one list what was added up in lists of some of its rows, which nobody else reads: adjoints of what
/// several products read in different ways, as queries, keys and values. requires: a valid graph with all derivatives.
/// maintains: order; sums are rounded in another order.
Graph flatten_sums(Graph graph);

/// Adds up, once a step, what is put side by side for nothing else where it is: what neighbours in a graph hand on, and
/// the adjoints of that. requires: a valid graph with all derivatives. maintains: order; sums may be rounded in another
/// order.
Graph sum_in_place(Graph graph);

/// Lets a varying product take over what is done to it alone: an addition (a bias), the adjoint of an activation, and
/// then a function of one operand (an activation). requires: a valid graph. maintains: order; a sum may be rounded in
/// another order.
Graph fuse(Graph graph);

/// Makes one op of a product and the sum or difference that alone reads it, so that rows are gone through once.
/// requires: a valid graph with all derivatives, which no pass looks at products of any more. maintains: order; a
/// product may not be rounded before it is added.
Graph contract_products(Graph graph);

/// Lets products at places read windows of the rows that they are copied from, where those of neighbouring places
/// overlap, as a convolution's do. requires: no derivatives are taken after it. maintains: every root up to rounding.
Graph slide_windows(Graph graph);

/// Makes one guard over rows of those on rows of one block, and one of equal ones. `numbers` says for each of the
/// graph's guards, and then for each of their rows, which of the tape's it stands for. requires: guards of one row
/// each. maintains: order, every bit; whichever guards fail, the first of them is among those that are left.
Graph group_guards(Graph graph, GuardNumbers& numbers, std::span<const Guard> of_tape);

/// What is differentiated, and by what.
struct DifferentiateOptions {
  std::span<const std::uint8_t> frozen;  ///< one a parameter; not 0: excluded
  std::uint32_t inputs = 0;              ///< the first ones, by which it is differentiated, too
  /// Whether every product of an op's derivative is zero for an adjoint of zero. Those of dense blocks are plain.
  bool skip_zeros = false;
  /// Whether few rows that many contribute to are added up as lists, rather than one contribution after another.
  bool lists = false;
};

/// Adds the adjoints of the loss by parameters and inputs, in the order of contributions that evaluate() defines.
/// requires: a uniform loss and no gradients yet. maintains: the blocks that are there.
Graph differentiate(Graph graph, const DifferentiateOptions& options);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
