// fuzz_programs SEED COUNT [REPORTS [derivatives]]: draws programs from SEED on, runs each in every way and compares
// with the oracle. What fails is made small and printed as C++, REPORTS of them. With `derivatives`, programs that
// compute with their own.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "fuzz/generator.h"
#include "fuzz/print.h"
#include "fuzz/shrink.h"

using namespace tapeloom::test::fuzz;

namespace {

/// The failure of one case, in a child of its own: a crash is one, too.
std::optional<Failure> check_apart(const Case& it) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    alarm(60);
    Statistics statistics;
    const std::optional<Failure> failure = check(it, statistics);
    const std::string text = failure ? failure->stage + "\n" + failure->what : "";
    if (write(ends[1], text.data(), text.size()) < 0) _exit(3);
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return Failure{"crash", "the process ended by signal " + std::to_string(WTERMSIG(status))};
  if (text.empty()) return {};
  const std::size_t line = text.find('\n');
  return Failure{text.substr(0, line), text.substr(line + 1)};
}

void report(std::uint64_t seed, const Case& it, const Failure& failure, bool small) {
  std::printf("--- seed %llu, %s: %s\n", static_cast<unsigned long long>(seed), failure.stage.c_str(),
              failure.what.c_str());
  if (!small) return;
  const Case shrunk = shrink(it, [&](const Case& smaller) {
    const std::optional<Failure> now = check_apart(smaller);
    return now && now->stage == failure.stage;
  });
  const std::optional<Failure> now = check_apart(shrunk);
  std::printf("%s// %s\n\n", as_cpp(shrunk).c_str(),
              now ? (now->stage + ": " + now->what).c_str() : "lost while shrinking");
  std::fflush(stdout);
}

/// How far a child has come that runs one program after another, of which any may crash it.
struct Progress {
  std::uint64_t seed;
  Statistics statistics;
  std::size_t failures;
};

/// Whether what was compared is worth its name: little is unknown, every kind of instruction has been run, and samples
/// were folded with their branches.
bool thorough(const Statistics& s, bool derivatives) {
  bool good = s.unknown * 5 < s.numbers && s.not_recorded * 20 < s.programs;
  if (derivatives) {
    std::printf("fuzz: %zu numbers were derivatives, %zu programs could not be recorded\n", s.derivatives,
                s.not_recorded);
    return good && s.derivatives > 10 * s.programs;
  }
  if (s.of_one_sample * 20 < s.programs) {
    std::printf("fuzz: only %zu programs were run by one of one sample\n", s.of_one_sample);
    good = false;
  }
  if (s.held * 1000 < s.programs) {
    std::printf("fuzz: only %zu programs held gradients\n", s.held);
    good = false;
  }
  if (s.by_rows * 20 < s.programs) {
    std::printf("fuzz: only %zu programs had rows as lanes\n", s.by_rows);
    good = false;
  }
  if (s.windows * 1000 < s.programs) {
    std::printf("fuzz: only %zu programs had windows that share rows\n", s.windows);
    good = false;
  }
  if (s.guarded_samples * 50 < s.programs) {
    std::printf("fuzz: only %zu programs had guards in folded samples\n", s.guarded_samples);
    good = false;
  }
  for (std::size_t kind = 0; kind < Statistics::kinds; ++kind) {
    if (s.instructions[kind] > 0) continue;
    std::printf("fuzz: no program had the instruction kind %zu\n", kind);
    good = false;
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const std::size_t most_reports = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 5;
  const bool derivatives = argc > 4 && std::strcmp(argv[4], "derivatives") == 0;
  const auto draw = [=](std::uint64_t at) { return derivatives ? generate_with_derivatives(at) : generate(at); };
  Progress progress{seed, {}, 0};
  while (progress.seed < seed + count) {
    int ends[2];
    if (pipe(ends) != 0) return 2;
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      for (; progress.seed < seed + count; ++progress.seed) {
        if (write(ends[1], &progress, sizeof progress) < 0) _exit(3);
        const Case it = draw(progress.seed);
        alarm(120);
        const std::optional<Failure> failure = check(it, progress.statistics);
        alarm(0);
        if (failure) report(progress.seed, it, *failure, ++progress.failures <= most_reports);
      }
      if (write(ends[1], &progress, sizeof progress) < 0) _exit(3);
      std::fflush(stdout);
      _exit(0);
    }
    close(ends[1]);
    for (Progress next; read(ends[0], &next, sizeof next) == static_cast<ssize_t>(sizeof next);) progress = next;
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    report(progress.seed, draw(progress.seed), {"crash", "signal " + std::to_string(WTERMSIG(status))},
           ++progress.failures <= most_reports);
    ++progress.seed;
  }
  const Statistics& s = progress.statistics;
  std::printf(
      "fuzz: %llu programs from seed %llu, %zu failed; %zu numbers, of which nothing is known of %zu; %zu runs "
      "refused, %zu doubtful; the largest difference is %.3g of its bound\n",
      static_cast<unsigned long long>(count), static_cast<unsigned long long>(seed), progress.failures, s.numbers,
      s.unknown, s.refused, s.doubtful, s.largest_ratio);
  const bool enough = count < 1000 || thorough(s, derivatives);
  return progress.failures == 0 && enough ? 0 : 1;
}
