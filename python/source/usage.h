// Who is at work on an object. Work may go on without the interpreter's lock, so whoever else comes meanwhile is
// refused. All functions are called with the lock held, which makes plain numbers do.
#pragma once

#include <Python.h>

#include <stdexcept>
#include <string>

namespace tapeloom::python {

class Usage {
 public:
  /// The object in words, and what to do instead of using it in two threads.
  Usage(const char* object, const char* way_out) : object_(object), way_out_(way_out) {}
  Usage(const Usage&) = delete;
  Usage& operator=(const Usage&) = delete;

  /// Throws a RuntimeError if another thread is at work.
  void check_idle() const {
    if (owner_ == 0 || owner_ == PyThread_get_thread_ident()) [[likely]]
      return;
    throw std::runtime_error(std::string("the ") + object_ +
                             " is at work in another thread, and is for one at a time; " + way_out_);
  }
  bool in_use() const { return owner_ != 0; }

  /// For as long as it lives, this thread is at work; nested work of its own is allowed.
  class Scope {
   public:
    explicit Scope(Usage& usage) : usage_(usage) {
      usage.check_idle();
      usage.owner_ = PyThread_get_thread_ident();
      ++usage.depth_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      if (--usage_.depth_ == 0) usage_.owner_ = 0;
    }

   private:
    Usage& usage_;
  };

 private:
  const char* object_;
  const char* way_out_;
  unsigned long owner_ = 0;  // 0: nobody
  int depth_ = 0;
};

}  // namespace tapeloom::python
