#include "compiled.h"

#include "errors.h"

namespace tapeloom::python {

void add_compiled(py::module_& module) {
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Error&) {
      set_error();
    } catch (const ErrorIsSet&) {
      set_error();
    }
  });
  add_layers(module);
  add_programs(module);
  add_layouts(module);
  add_profiles(module);
  add_executors(module);
  add_compile(module);
  add_tensors(module);
  add_optimizers(module);
  add_shuffle(module);
  add_reports(module);
  add_trainers(module);
  add_solvers(module);
  add_metrics(module);
  add_preprocessing(module);
  add_data_files(module);
}

}  // namespace tapeloom::python
