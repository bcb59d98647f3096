// Programs of the C interface: loading them, and what they are asked for.
#include <cstddef>
#include <mutex>
#include <span>
#include <string>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/text.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/runtime/c/handles.h"
#include "tapeloom/runtime/files/program_file.h"

using namespace tapeloom;
using namespace tapeloom::runtime;

namespace {

// Taking the options of C++ apart makes a new one a compiler's error here.
constexpr tapeloom_load_options load_defaults() {
  const auto [max_samples, max_operations, max_bytes] = LoadOptions{};
  return {sizeof(tapeloom_load_options), max_samples, max_operations, max_bytes};
}

LoadOptions load_options(const tapeloom_load_options* given) {
  const tapeloom_load_options options = options_at(given, load_defaults());
  return {.max_samples = options.max_samples, .max_operations = options.max_operations, .max_bytes = options.max_bytes};
}

void check_name(const std::string& name) {
  if (name.find('\0') == std::string::npos) return;
  throw DataError("the program", 0, 0,
                  "the name " + quoted(name.substr(0, name.find('\0'))) +
                      " goes on behind a zero, where names end in C; such a program is for C++ alone");
}

/// Two names that differ behind a zero would be one in C.
Program with_names_for_c(Program program) {
  for (const ProgramInputGroup& group : program.input_groups) check_name(group.name);
  for (const ProgramUniformInput& input : program.uniform_inputs) check_name(input.name);
  for (const ProgramOutput& output : program.outputs) check_name(output.label);
  for (const ProgramParameter& parameter : program.parameters) check_name(parameter.label);
  return program;
}

const Program& program_at(const tapeloom_program* program) { return *at(program, "program").program; }

}  // namespace

tapeloom_status tapeloom_load_options_init(tapeloom_load_options* options, size_t size) {
  return status_of([&] { init(options, size, load_defaults()); });
}

tapeloom_status tapeloom_program_load(const char* path, const tapeloom_load_options* options,
                                      tapeloom_program** program) {
  return status_of([&] {
    tapeloom_program*& result = result_at(program, "program");
    result =
        new tapeloom_program(with_names_for_c(load_program(std::string(&at(path, "path")), load_options(options))));
  });
}

tapeloom_status tapeloom_program_load_memory(const void* bytes, size_t count, const tapeloom_load_options* options,
                                             tapeloom_program** program) {
  return status_of([&] {
    tapeloom_program*& result = result_at(program, "program");
    const std::span all(array_at(static_cast<const std::byte*>(bytes), count, "bytes"), count);
    result = new tapeloom_program(with_names_for_c(load_program(all, load_options(options))));
  });
}

tapeloom_status tapeloom_program_save(const tapeloom_program* program, const char* path) {
  return status_of([&] { save_program(&at(path, "path"), program_at(program)); });
}

void tapeloom_program_free(tapeloom_program* program) { delete program; }

tapeloom_status tapeloom_program_get_info(const tapeloom_program* program, tapeloom_program_info* info, size_t size) {
  return status_of([&] {
    const Program& own = program_at(program);
    const tapeloom_program_info all = {.parameters = own.parameters.size(),
                                       .input_groups = own.input_groups.size(),
                                       .inputs = own.input_count,
                                       .uniform_inputs = own.uniform_inputs.size(),
                                       .outputs = own.outputs.size(),
                                       .guards = own.guards.size(),
                                       .recorded_samples = own.recorded_samples,
                                       .has_loss = own.loss_slot != Program::no_slot,
                                       .has_gradients = own.has_gradients,
                                       .has_input_gradients = own.has_input_gradients,
                                       .exact = own.exact};
    fill(info, size, all, "info");
  });
}

tapeloom_status tapeloom_program_input_group(const tapeloom_program* program, size_t index, const char** name,
                                             size_t* first, size_t* count, int32_t* used) {
  return status_of([&] {
    const ProgramInputGroup& group = one_of(program_at(program).input_groups, index, "input group", "a program");
    give(name, group.name.c_str());
    give(first, group.first.index);
    give(count, group.count);
    give(used, group.used);
  });
}

tapeloom_status tapeloom_program_uniform_input(const tapeloom_program* program, size_t index, const char** name,
                                               double* initial) {
  return status_of([&] {
    const ProgramUniformInput& input = one_of(program_at(program).uniform_inputs, index, "uniform input", "a program");
    give(name, input.name.c_str());
    give(initial, input.initial);
  });
}

tapeloom_status tapeloom_program_output(const tapeloom_program* program, size_t index, const char** name,
                                        int32_t* varying) {
  return status_of([&] {
    const ProgramOutput& output = one_of(program_at(program).outputs, index, "output", "a program");
    give(name, output.label.c_str());
    give(varying, output.varying);
  });
}

tapeloom_status tapeloom_program_parameter(const tapeloom_program* program, size_t index, const char** name,
                                           double* initial, int32_t* frozen) {
  return status_of([&] {
    const ProgramParameter& parameter = one_of(program_at(program).parameters, index, "parameter", "a program");
    give(name, parameter.label.c_str());
    give(initial, parameter.initial);
    give(frozen, parameter.frozen);
  });
}

tapeloom_status tapeloom_program_explain(const tapeloom_program* program, const char** text) {
  return status_of([&] {
    const Program& own = program_at(program);
    const char*& result = at(text, "text");
    const std::lock_guard lock(program->explaining);
    if (program->explained.empty()) program->explained = explain(own);
    result = program->explained.c_str();
  });
}
