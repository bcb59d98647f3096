// Functions of a list of numbers that use the standard library's algorithms, written once for doubles and Values.
#pragma once

#include <algorithm>
#include <complex>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <queue>
#include <set>
#include <utility>
#include <valarray>
#include <vector>

#include "tapeloom/core/record/value.h"

namespace tapeloom::test {

template <class T>
using List = std::vector<T>;

/// A function of five numbers.
struct Use {
  const char* name;
  std::function<double(List<double>)> of_numbers;
  std::function<Value(List<Value>)> of_values;
};
template <class F>
Use use(const char* name, F f) {
  return {name, f, f};
}

/// Numbers that tell in which order the list is.
template <class T>
T weighed(const List<T>& list) {
  T total = 0.0;
  for (std::size_t i = 0; i < list.size(); ++i) total += list[i] * static_cast<double>(i + 1) * list[i];
  return total;
}

inline std::vector<Use> uses() {
  using std::begin, std::end;
  return {
      use("sort",
          []<class T>(List<T> v) -> T {
            std::sort(begin(v), end(v));
            return weighed(v);
          }),
      use("sort, descending",
          []<class T>(List<T> v) -> T {
            std::sort(begin(v), end(v), std::greater<>());
            return weighed(v);
          }),
      use("stable_sort",
          []<class T>(List<T> v) -> T {
            std::stable_sort(begin(v), end(v));
            return weighed(v);
          }),
      use("partial_sort",
          []<class T>(List<T> v) -> T {
            std::partial_sort(begin(v), begin(v) + 2, end(v));
            return v[0] * 2.0 + v[1];
          }),
      use("nth_element",
          []<class T>(List<T> v) -> T {
            std::nth_element(begin(v), begin(v) + 2, end(v));
            return v[2] * v[2];
          }),
      use("max_element", []<class T>(List<T> v) -> T { return *std::max_element(begin(v), end(v)) * 2.0; }),
      use("min_element",
          []<class T>(List<T> v) -> T {
            return v[static_cast<std::size_t>(std::min_element(begin(v), end(v)) - begin(v))] * v[0];
          }),
      use("minmax_element",
          []<class T>(List<T> v) -> T {
            auto [low, high] = std::minmax_element(begin(v), end(v));
            return *high - *low;
          }),
      use("max of two", []<class T>(List<T> v) -> T { return std::max(v[0], v[1]) * v[2]; }),
      use("max of a list",
          []<class T>(List<T> v) -> T {
            return std::max({v[0], v[1], v[2] * v[3]}) * 1.5;
          }),
      use("min of a list",
          []<class T>(List<T> v) -> T {
            return std::min({v[0], v[1], v[2] * v[3]}) * 1.5;
          }),
      use("minmax of a list",
          []<class T>(List<T> v) -> T {
            auto [low, high] = std::minmax({v[0], v[1], v[2]});
            return high - low * low;
          }),
      use("clamp", []<class T>(List<T> v) -> T { return std::clamp(v[0], T(-0.5), T(0.5)) * v[1]; }),
      use("ranges::sort",
          []<class T>(List<T> v) -> T {
            std::ranges::sort(v);
            return weighed(v);
          }),
      use("ranges::sort by a projection",
          []<class T>(List<T> v) -> T {
            std::ranges::sort(v, {}, [](T x) { return x * x; });
            return weighed(v);
          }),
      use("ranges::max", []<class T>(List<T> v) -> T { return std::ranges::max(v) * 2.0; }),
      use("ranges::minmax",
          []<class T>(List<T> v) -> T {
            auto [low, high] = std::ranges::minmax(v);
            return high / (1.0 + low * low);
          }),
      use("heap",
          []<class T>(List<T> v) -> T {
            std::make_heap(begin(v), end(v));
            std::pop_heap(begin(v), end(v));
            return v.back() * v[0];
          }),
      use("priority_queue",
          []<class T>(List<T> v) -> T {
            std::priority_queue<T> queue;
            for (T x : v) queue.push(x);
            const T first = queue.top();
            queue.pop();
            return first * queue.top();
          }),
      use("set",
          []<class T>(List<T> v) -> T {
            std::set<T> set(begin(v), end(v));
            return *set.begin() - *set.rbegin() * 2.0;
          }),
      use("map",
          []<class T>(List<T> v) -> T {
            std::map<T, int> map;
            for (T x : v) ++map[x];
            return map.begin()->first * 2.0;
          }),
      use("accumulate", []<class T>(List<T> v) -> T { return std::accumulate(begin(v), end(v), T(0.5)); }),
      use("accumulate a product",
          []<class T>(List<T> v) -> T { return std::accumulate(begin(v), end(v), T(1.0), std::multiplies<>()); }),
      use("inner_product",
          []<class T>(List<T> v) -> T { return std::inner_product(begin(v), end(v), begin(v), T(0.0)); }),
      use("reduce", []<class T>(List<T> v) -> T { return std::reduce(begin(v), end(v), T(0.0)); }),
      use("transform_reduce",
          []<class T>(List<T> v) -> T { return std::transform_reduce(begin(v), end(v), begin(v), T(0.0)); }),
      use("partial_sum",
          []<class T>(List<T> v) -> T {
            std::partial_sum(begin(v), end(v), begin(v));
            return weighed(v);
          }),
      use("inclusive_scan",
          []<class T>(List<T> v) -> T {
            std::inclusive_scan(begin(v), end(v), begin(v));
            return weighed(v);
          }),
      use("exclusive_scan",
          []<class T>(List<T> v) -> T {
            std::exclusive_scan(begin(v), end(v), begin(v), T(2.0));
            return weighed(v);
          }),
      use("adjacent_difference",
          []<class T>(List<T> v) -> T {
            std::adjacent_difference(begin(v), end(v), begin(v));
            return weighed(v);
          }),
      use("rotate and reverse",
          []<class T>(List<T> v) -> T {
            std::rotate(begin(v), begin(v) + 2, end(v));
            std::reverse(begin(v), begin(v) + 3);
            return weighed(v);
          }),
      use("count_if",
          []<class T>(List<T> v) -> T {
            return v[0] * static_cast<double>(std::count_if(begin(v), end(v), [](T x) { return x > 0.0; }));
          }),
      use("find_if",
          []<class T>(List<T> v) -> T {
            const auto found = std::find_if(begin(v), end(v), [](T x) { return x < 0.0; });
            return found == end(v) ? v[0] * 2.0 : *found * 3.0;
          }),
      use("partition",
          []<class T>(List<T> v) -> T {
            const auto middle = std::partition(begin(v), end(v), [](T x) { return x < 0.0; });
            return std::accumulate(begin(v), middle, v[0] * 2.0);
          }),
      use("erase_if",
          []<class T>(List<T> v) -> T {
            const T first = v[0];
            std::erase_if(v, [](T x) { return x < 0.2; });
            return weighed(v) + first;
          }),
      use("any_of and all_of",
          []<class T>(List<T> v) -> T {
            const bool any = std::any_of(begin(v), end(v), [](T x) { return x > 0.7; });
            const bool all = std::all_of(begin(v), end(v), [](T x) { return x > -0.7; });
            return v[0] * (any ? 2.0 : 3.0) * (all ? 5.0 : 7.0);
          }),
      use("is_sorted",
          []<class T>(List<T> v) -> T { return std::is_sorted(begin(v), end(v)) ? v[0] * 2.0 : v[1] * 3.0; }),
      use("lower_bound",
          []<class T>(List<T> v) -> T {
            const T x = v[4];
            v.pop_back();
            std::sort(begin(v), end(v));
            const auto at = std::lower_bound(begin(v), end(v), x) - begin(v);
            return x * static_cast<double>(at + 1);
          }),
      use("merge",
          []<class T>(List<T> v) -> T {
            std::sort(begin(v), begin(v) + 2);
            std::sort(begin(v) + 2, end(v));
            List<T> merged;
            std::merge(begin(v), begin(v) + 2, begin(v) + 2, end(v), std::back_inserter(merged));
            return weighed(merged);
          }),
      use("inplace_merge",
          []<class T>(List<T> v) -> T {
            std::sort(begin(v), begin(v) + 2);
            std::sort(begin(v) + 2, end(v));
            std::inplace_merge(begin(v), begin(v) + 2, end(v));
            return weighed(v);
          }),
      use("next_permutation",
          []<class T>(List<T> v) -> T {
            std::next_permutation(begin(v), end(v));
            return weighed(v);
          }),
      use("unique",
          []<class T>(List<T> v) -> T {
            v.insert(begin(v), v[0]);
            v.erase(std::unique(begin(v), end(v)), end(v));
            return weighed(v);
          }),
      use("vectors compared",
          []<class T>(List<T> v) -> T {
            List<T> other = v;
            std::reverse(begin(other), end(other));
            return v < other ? v[0] * 2.0 : v[1] * 3.0;
          }),
      use("pairs sorted",
          []<class T>(List<T> v) -> T {
            std::vector<std::pair<T, int>> pairs;
            for (T x : v) pairs.emplace_back(x * x, 1);
            std::sort(begin(pairs), end(pairs));
            return pairs[1].first * 2.0;
          }),
      use("optional",
          []<class T>(List<T> v) -> T {
            std::optional<T> most;
            for (T x : v)
              if (!most || *most < x) most = x;
            return *most * 2.0;
          }),
      use("bool",
          []<class T>(List<T> v) -> T {
            const bool less = v[0] < v[1];
            return less ? v[0] * v[2] : v[1] * v[3];
          }),
      use("infinity",
          []<class T>(List<T> v) -> T {
            T least = std::numeric_limits<T>::infinity();
            for (T x : v) least = std::min(least, x);
            return least * 2.0;
          }),
      use("complex product",
          []<class T>(List<T> v) -> T {
            const std::complex<T> z(v[0], v[1]), w(v[2], v[3]), p = z * w * z + w;
            return p.real() + p.imag() * 2.0;
          }),
      use("complex quotient",
          []<class T>(List<T> v) -> T {
            const std::complex<T> z(v[0], v[1]), w(v[2], v[3]), q = z / w - conj(z);
            return q.real() + q.imag() * 2.0;
          }),
      use("complex exp and norm",
          []<class T>(List<T> v) -> T {
            const std::complex<T> z(v[0], v[1]), e = exp(z);
            return norm(e) + e.real();
          }),
      use("complex abs", []<class T>(List<T> v) -> T { return abs(std::complex<T>(v[0], v[1])) * v[2]; }),
      use("valarray",
          []<class T>(List<T> v) -> T {
            std::valarray<T> a(v.data(), v.size());
            a = a * a + T(0.5);
            a[2] += v[0];
            return a.sum() + a.max() * 2.0 - a.min() + a.cshift(1)[0];
          }),
  };
}

}  // namespace tapeloom::test
