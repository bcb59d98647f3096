// The extension module tapeloom._native: the package's Python files give its parts their public names.
#include <pybind11/pybind11.h>

#include "compiled.h"
#include "errors.h"
#include "functions.h"
#include "losses.h"
#include "nn.h"
#include "tapeloom/version.h"
#include "value.h"

PYBIND11_MODULE(_native, module) {
  using namespace tapeloom::python;
  module.attr("__version__") = tapeloom::version();
  if (!add_errors(module.ptr()) || !add_value_types(module.ptr()) || !add_functions(module.ptr()) ||
      !add_leaves(module.ptr()) || !add_nets(module.ptr()) || !add_losses(module.ptr())) {
    throw pybind11::error_already_set();
  }
  add_compiled(module);
}
