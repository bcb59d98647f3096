#include "program_bytes.h"

#include <fstream>
#include <limits>

namespace tapeloom::python {

namespace {

/// A folder of its own, which is gone with all that is in it afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder() : folder_(py::module_::import("tempfile").attr("TemporaryDirectory")("", "tapeloom")) {}
  ~TemporaryFolder() {
    try {
      folder_.attr("cleanup")();
    } catch (py::error_already_set& error) {
      error.discard_as_unraisable("tapeloom");
    }
  }
  std::string file() const { return py::cast<std::string>(folder_.attr("name")) + "/program"; }

 private:
  py::object folder_;
};

template <class Saved>
std::string saved_bytes(const Saved& saved) {
  const TemporaryFolder folder;
  save_program(folder.file(), saved);
  std::ifstream file(folder.file(), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::string bytes_of(const Program& program) { return saved_bytes(program); }

template <class T>
std::string bytes_of(const Executor<T>& executor) {
  return saved_bytes(executor);
}
template std::string bytes_of(const Executor<float>&);
template std::string bytes_of(const Executor<double>&);

CompiledProgram program_of_bytes(const std::string& bytes) {
  constexpr auto any = std::numeric_limits<std::uint64_t>::max();
  Program program = load_program(std::as_bytes(std::span(bytes)), {.max_operations = any, .max_bytes = any});
  return {std::make_shared<const Program>(std::move(program)), {}};
}

}  // namespace tapeloom::python
