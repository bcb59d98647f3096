// A few threads that wait for tasks of one owner.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace tapeloom::inline v0_1::runtime {

class ThreadPool {
 public:
  /// Starts `threads` - 1 threads; the owner's own is the other one.
  explicit ThreadPool(std::size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t threads() const { return threads_.size() + 1; }

  /// Calls task(index, thread) for every index below `count`, each once, on whichever thread is free; returns when all
  /// are done. `task` must not throw.
  template <class Task>
  void run(std::size_t count, const Task& task) {
    run(count, &call<Task>, &task);
  }

 private:
  using Function = void (*)(const void* task, std::size_t index, std::size_t thread);
  template <class Task>
  static void call(const void* task, std::size_t index, std::size_t thread) {
    (*static_cast<const Task*>(task))(index, thread);
  }
  void run(std::size_t count, Function function, const void* task);
  void work(std::size_t thread);
  void take_tasks(std::size_t thread);

  std::vector<std::thread> threads_;
  // A round is announced by a new number in round_; the threads that have left it count up in done_.
  std::atomic<std::uint32_t> round_{0};
  std::atomic<std::uint32_t> done_{0};
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> ends_{false};
  std::size_t count_ = 0;
  Function function_ = nullptr;
  const void* task_ = nullptr;
};

}  // namespace tapeloom::inline v0_1::runtime
