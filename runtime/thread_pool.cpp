#include "tapeloom/runtime/thread_pool.h"

namespace tapeloom::inline v0_1::runtime {

namespace {

/// Waits until `word` is not `old`. Steps follow one another closely while training, and waking a thread that sleeps
/// takes longer than a small step, so it looks for some microseconds before it sleeps.
void wait_for_change(const std::atomic<std::uint32_t>& word, std::uint32_t old) {
  constexpr int looks = 4000;
  for (int i = 0; i < looks; ++i) {
    if (word.load(std::memory_order_acquire) != old) return;
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }
  word.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(std::size_t threads) {
  for (std::size_t i = 1; i < threads; ++i) threads_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  ends_.store(true, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run(std::size_t count, Function function, const void* task) {
  count_ = count, function_ = function, task_ = task;
  next_.store(0, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  take_tasks(0);
  for (std::uint32_t done = done_.load(std::memory_order_acquire); done != threads_.size();
       done = done_.load(std::memory_order_acquire)) {
    wait_for_change(done_, done);
  }
}

void ThreadPool::work(std::size_t thread) {
  for (std::uint32_t round = 0;;) {
    wait_for_change(round_, round);
    // The owner starts no other round before this thread has left this one.
    round = round_.load(std::memory_order_acquire);
    if (ends_.load(std::memory_order_relaxed)) return;
    take_tasks(thread);
    done_.fetch_add(1, std::memory_order_release);
    done_.notify_one();
  }
}

void ThreadPool::take_tasks(std::size_t thread) {
  for (std::size_t i = next_.fetch_add(1, std::memory_order_relaxed); i < count_;
       i = next_.fetch_add(1, std::memory_order_relaxed)) {
    function_(task_, i, thread);
  }
}

}  // namespace tapeloom::inline v0_1::runtime
