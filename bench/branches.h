// Ordinary scalar programs with branches inside, as templates of the number type: with Value they are recorded, a loop
// over data and all; with double they are what their gradients' time is compared with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace tapeloom::bench {

/// Numbers and what they are for: `parameters` are differentiated by, `data` are constants.
struct BranchingWork {
  std::vector<double> parameters, data;
  std::size_t samples = 0, parts = 0, dimensions = 0;
};

inline std::vector<double> uniform_numbers(std::size_t count, double lower, double upper, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> numbers(count);
  for (double& x : numbers) x = lower + (upper - lower) * static_cast<double>(generator() >> 11) * 0x1p-53;
  return numbers;
}

// --- the sum of squared distances to the nearest of some centres
// ------------------------------------------------------

inline BranchingWork kmeans_work(std::size_t samples, std::size_t centres, std::size_t dimensions) {
  return {uniform_numbers(centres * dimensions, 0.0, 1.0, 1), uniform_numbers(samples * dimensions, 0.0, 1.0, 2),
          samples, centres, dimensions};
}

template <class T>
T kmeans(const BranchingWork& work, std::span<const T> centres) {
  T cost = 0.0;
  for (std::size_t i = 0; i < work.samples; ++i) {
    const double* point = work.data.data() + i * work.dimensions;
    T nearest = 0.0;
    for (std::size_t k = 0; k < work.parts; ++k) {
      T distance = 0.0;
      for (std::size_t d = 0; d < work.dimensions; ++d) {
        const T difference = point[d] - centres[k * work.dimensions + d];
        distance = distance + difference * difference;
      }
      if (k == 0) {
        nearest = distance;
      } else if (distance < nearest) {
        nearest = distance;
      }
    }
    cost = cost + nearest;
  }
  return cost;
}

// --- log-sum-exp, and a mixture of Gaussians
// --------------------------------------------------------------------------

template <class T>
T log_sum_exp(std::span<const T> x) {
  using std::exp, std::log;
  T largest = x[0];
  for (std::size_t i = 1; i < x.size(); ++i) largest = std::max(largest, x[i]);
  T sum = 0.0;
  for (const T& each : x) sum = sum + exp(each - largest);
  return largest + log(sum);
}

inline BranchingWork log_sum_exp_work(std::size_t count) {
  return {uniform_numbers(count, -1.0, 1.0, 3), {}, 1, 1, count};
}

/// Weights, means, and a triangular matrix with the logarithms of its diagonal first, of each part.
inline BranchingWork mixture_work(std::size_t samples, std::size_t parts, std::size_t dimensions) {
  const std::size_t triangle = dimensions * (dimensions + 1) / 2;
  return {uniform_numbers(parts * (1 + dimensions + triangle), -0.5, 0.5, 4),
          uniform_numbers(samples * dimensions, -1.0, 1.0, 5), samples, parts, dimensions};
}

/// Of a point in a part's coordinates, the squared length.
template <class T>
T squared_length(std::span<const T> triangle, std::span<const T> diagonal, std::span<const T> point) {
  T length = 0.0;
  std::size_t at = diagonal.size();
  for (std::size_t i = 0; i < diagonal.size(); ++i) {
    T row = diagonal[i] * point[i];
    for (std::size_t j = 0; j < i; ++j) row = row + triangle[at++] * point[j];
    length = length + row * row;
  }
  return length;
}

template <class T>
T mixture(const BranchingWork& work, std::span<const T> parameters) {
  using std::exp;
  const std::size_t parts = work.parts, n = work.dimensions, triangle = n * (n + 1) / 2;
  const std::span<const T> weights = parameters.first(parts), means = parameters.subspan(parts, parts * n);
  const std::span<const T> triangles = parameters.subspan(parts + parts * n);
  std::vector<T> diagonals, log_determinants;
  for (std::size_t k = 0; k < parts; ++k) {
    T sum = 0.0;
    for (std::size_t d = 0; d < n; ++d) {
      diagonals.push_back(exp(triangles[k * triangle + d]));
      sum = sum + triangles[k * triangle + d];
    }
    log_determinants.push_back(sum);
  }
  T total = 0.0;
  std::vector<T> centred(n), terms(parts);
  for (std::size_t i = 0; i < work.samples; ++i) {
    for (std::size_t k = 0; k < parts; ++k) {
      for (std::size_t d = 0; d < n; ++d) centred[d] = work.data[i * n + d] - means[k * n + d];
      terms[k] = weights[k] + log_determinants[k] -
                 0.5 * squared_length<T>(triangles.subspan(k * triangle, triangle),
                                         std::span<const T>(diagonals).subspan(k * n, n), centred);
    }
    total = total + log_sum_exp<T>(terms);
  }
  return total - static_cast<double>(work.samples) * log_sum_exp<T>(weights);
}

// --- bundle adjustment
// ------------------------------------------------------------------------------------------------

/// Cameras (a rotation, a centre, a focal length, a principal point, two coefficients of distortion), then points, then
/// weights; each observation sees a point by a camera.
struct BundleWork {
  static constexpr std::size_t camera_size = 11;
  std::size_t cameras, points, observations;
  std::vector<double> parameters, data;

  std::size_t camera_of(std::size_t observation) const { return observation % cameras; }
  std::size_t point_of(std::size_t observation) const { return observation % points; }
};

inline BundleWork bundle_work(std::size_t cameras, std::size_t points, std::size_t observations) {
  BundleWork work{cameras, points, observations, {}, uniform_numbers(2 * observations, -1.0, 1.0, 6)};
  work.parameters = uniform_numbers(cameras * BundleWork::camera_size + 3 * points + observations, 0.1, 0.9, 7);
  for (std::size_t p = 0; p < points; ++p) work.parameters[cameras * BundleWork::camera_size + 3 * p + 2] += 4.0;
  return work;
}

template <class T>
void rotate(std::span<const T> rotation, const T (&x)[3], T (&result)[3]) {
  using std::sin, std::cos, std::sqrt;
  const T squared = rotation[0] * rotation[0] + rotation[1] * rotation[1] + rotation[2] * rotation[2];
  const auto cross = [&](const T(&a)[3], std::size_t i) {
    return a[(i + 1) % 3] * x[(i + 2) % 3] - a[(i + 2) % 3] * x[(i + 1) % 3];
  };
  if (squared != 0.0) {
    const T angle = sqrt(squared), cosine = cos(angle), sine = sin(angle), inverse = 1.0 / angle;
    const T axis[3] = {rotation[0] * inverse, rotation[1] * inverse, rotation[2] * inverse};
    const T along = (axis[0] * x[0] + axis[1] * x[1] + axis[2] * x[2]) * (1.0 - cosine);
    for (std::size_t i = 0; i < 3; ++i) result[i] = x[i] * cosine + cross(axis, i) * sine + axis[i] * along;
  } else {
    const T axis[3] = {rotation[0], rotation[1], rotation[2]};
    for (std::size_t i = 0; i < 3; ++i) result[i] = x[i] + cross(axis, i);
  }
}

template <class T>
T bundle(const BundleWork& work, std::span<const T> parameters) {
  const std::size_t size = BundleWork::camera_size;
  const std::span<const T> points = parameters.subspan(work.cameras * size, 3 * work.points);
  const std::span<const T> weights = parameters.last(work.observations);
  T total = 0.0;
  for (std::size_t i = 0; i < work.observations; ++i) {
    const std::span<const T> camera = parameters.subspan(work.camera_of(i) * size, size);
    const std::span<const T> point = points.subspan(3 * work.point_of(i), 3);
    const T moved[3] = {point[0] - camera[3], point[1] - camera[4], point[2] - camera[5]};
    T seen[3];
    rotate<T>(camera.first(3), moved, seen);
    const T u = seen[0] / seen[2], v = seen[1] / seen[2], squared = u * u + v * v;
    const T distortion = 1.0 + camera[9] * squared + camera[10] * squared * squared;
    const T by_u = weights[i] * (u * distortion * camera[6] + camera[7] - work.data[2 * i]);
    const T by_v = weights[i] * (v * distortion * camera[6] + camera[8] - work.data[2 * i + 1]);
    const T by_weight = 1.0 - weights[i] * weights[i];
    total = total + (by_u * by_u + by_v * by_v + by_weight * by_weight);
  }
  return total;
}

}  // namespace tapeloom::bench
