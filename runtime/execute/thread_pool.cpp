#include "tapeloom/runtime/execute/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <memory>
#include <new>
#include <system_error>

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

using Clock = std::chrono::steady_clock;

/// How many forks this process came out of since the library was loaded.
std::atomic<std::uint32_t> forks{0};
[[maybe_unused]] const int counts_forks =
    pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });

/// Waits until `word` is not `old`. Steps follow one another closely while training, and waking a thread that sleeps
/// takes up to 50 us, so it looks for about as long before it sleeps; longer would take the processor from others.
void wait_for_change(const std::atomic<std::uint32_t>& word, std::uint32_t old) {
  constexpr auto looking = std::chrono::microseconds(50);
  constexpr int looks_between_times = 32;
  const auto end = Clock::now() + looking;
  do {
    for (int i = 0; i < looks_between_times; ++i) {
      if (word.load(std::memory_order_acquire) != old) return;
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }
  } while (Clock::now() < end);
  word.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(std::size_t threads) : forks_(forks.load(std::memory_order_relaxed)) {
  threads_.reserve(std::max<std::size_t>(threads, 1) - 1);
  try {
    for (std::size_t i = 1; i < threads; ++i) threads_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error&) {  // no more threads, by a limit or for want of memory: those that run will do
  } catch (const std::bad_alloc&) {
  }
}

ThreadPool::~ThreadPool() {
  if (forks.load(std::memory_order_relaxed) != forks_) {
    // Neither joined nor detached: these handles are of threads of the other process.
    for (std::thread& thread : threads_) std::construct_at(&thread);
    return;
  }
  ends_.store(true, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Round ThreadPool::run(std::size_t count, Function function, const void* task, std::size_t threads) {
  const auto start = Clock::now();
  const bool alone = forks.load(std::memory_order_relaxed) != forks_;
  count_.store(count, std::memory_order_relaxed);
  function_.store(function, std::memory_order_relaxed);
  task_.store(task, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const std::uint32_t round = round_.load(std::memory_order_relaxed) + 1;
  left_.store(std::uint64_t{round} << 32 | count, std::memory_order_release);
  round_.store(round, std::memory_order_release);
  // Of sleeping threads each notification wakes one.
  const std::size_t others = alone ? 0 : std::min(threads - 1, std::min(count, threads_.size() + 1) - 1);
  for (std::size_t i = 0; count > 1 && i < others; ++i) round_.notify_one();

  Round result{.tasks = count};
  result.own_tasks = take_tasks(0);
  result.own_time = Clock::now() - start;
  for (std::uint32_t done = done_.load(std::memory_order_acquire); done != count;
       done = done_.load(std::memory_order_acquire)) {
    wait_for_change(done_, done);
  }
  result.time = Clock::now() - start;
  return result;
}

void ThreadPool::work(std::size_t thread) {
  for (std::uint32_t seen = 0;;) {
    wait_for_change(round_, seen);
    seen = round_.load(std::memory_order_acquire);
    if (ends_.load(std::memory_order_relaxed)) return;
    take_tasks(thread);
  }
}

/// Takes tasks until there is none; returns how many.
std::size_t ThreadPool::take_tasks(std::size_t thread) {
  std::size_t taken = 0;
  std::uint64_t left = left_.load(std::memory_order_acquire);
  while (static_cast<std::uint32_t>(left) != 0) {
    const std::size_t index = count_.load(std::memory_order_relaxed) - static_cast<std::uint32_t>(left);
    const Function function = function_.load(std::memory_order_relaxed);
    const void* const task = task_.load(std::memory_order_relaxed);
    if (!left_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
    function(task, index, thread);
    ++taken;
    done_.fetch_add(1, std::memory_order_release);
    if (thread != 0) done_.notify_one();
    left = left_.load(std::memory_order_acquire);
  }
  return taken;
}

void ThreadGain::add(const Round& round, Clock::time_point now) {
  constexpr int rest_for_loss = 10;
  const auto own = static_cast<Clock::rep>(std::max<std::size_t>(round.own_tasks, 1));
  const Clock::duration alone = round.own_time * static_cast<Clock::rep>(round.tasks) / own;
  if (round.time > alone) rests_until_ = now + rest_for_loss * (round.time - alone);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
