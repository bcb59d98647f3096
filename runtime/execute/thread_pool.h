// A few threads that wait for tasks of one owner.
//
// The owner takes tasks itself and, at the end, waits for those that another thread has begun, never for a thread to
// begin: on a machine whose processors are taken, a thread that was woken may begin milliseconds later. So a round
// takes about as long as without other threads where none comes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// What came of a round.
struct Round {
  std::size_t tasks = 0, own_tasks = 0;            ///< all, and those of the owner
  std::chrono::steady_clock::duration own_time{};  ///< until there was nothing left to take
  std::chrono::steady_clock::duration time{};      ///< until all were done
};

class ThreadPool {
 public:
  /// Starts `threads` - 1 threads, or fewer where the system refuses more; the owner's own is the other one.
  explicit ThreadPool(std::size_t threads);
  /// In a process that came out of a fork after the pool was made, where its threads are not, there is none to end.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t threads() const { return threads_.size() + 1; }

  /// Calls task(index, thread) for every index below `count`, each once, on whichever thread is free; returns when all
  /// are done. At most `threads` threads are woken for it, the owner's among them; others that are awake may help.
  /// `task` must not throw.
  template <class Task>
  Round run(std::size_t count, const Task& task, std::size_t threads = SIZE_MAX) {
    return run(count, &call<Task>, &task, threads);
  }

 private:
  using Function = void (*)(const void* task, std::size_t index, std::size_t thread);
  template <class Task>
  static void call(const void* task, std::size_t index, std::size_t thread) {
    (*static_cast<const Task*>(task))(index, thread);
  }
  Round run(std::size_t count, Function function, const void* task, std::size_t threads);
  void work(std::size_t thread);
  std::size_t take_tasks(std::size_t thread);

  std::vector<std::thread> threads_;
  std::uint32_t forks_;  // of this process when the threads were started
  std::atomic<std::uint32_t> round_{0};
  std::atomic<bool> ends_{false};
  // The number of the round and, in the lower half, how many of its tasks nobody has taken. A thread that looked during
  // an earlier round cannot take a task by what it saw then: either there was none left, or the number is another now.
  std::atomic<std::uint64_t> left_{0};
  std::atomic<std::uint32_t> done_{0};  // of the round's tasks
  // What the round is about. Written while no task is left to be taken; a thread that takes one has read them before.
  std::atomic<std::size_t> count_{0};
  std::atomic<Function> function_{nullptr};
  std::atomic<const void*> task_{nullptr};
};

/// Whether the other threads of a pool are worth waking. Not for a while after a round that they made longer, because
/// other programs had the processors and a task that had been begun had to be waited for: for ten times what was lost,
/// so that all rounds together lose at most a tenth.
class ThreadGain {
 public:
  using Clock = std::chrono::steady_clock;

  bool expected(Clock::time_point now) const { return now >= rests_until_; }
  /// After a round that ended at `now`. Alone, the owner would have gone on as fast as it was with its own tasks.
  void add(const Round& round, Clock::time_point now);

 private:
  Clock::time_point rests_until_{};
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
