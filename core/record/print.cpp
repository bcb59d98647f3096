#include "tapeloom/core/record/print.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/base/text.h"

extern char** environ;

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// "parameter 3", "input 0 frozen", "mul %1 %2"
std::string node_text(const Tape& tape, NodeId node) {
  std::string text = op_name(tape.op(node));
  switch (tape.op(node)) {
    case Op::parameter:
      text += " " + std::to_string(tape.leaf_index(node));
      return text + (tape.parameters()[tape.leaf_index(node)].frozen ? " frozen" : "");
    case Op::input:
    case Op::uniform_input:
      return text + " " + std::to_string(tape.leaf_index(node));
    case Op::constant:
    case Op::batch_sum:
    case Op::batch_mean:
#define TAPELOOM_OP(name, Struct) case Op::name:
#include "tapeloom/core/ops/ops.def"
      break;
  }
  for (NodeId operand : tape.operands(node)) text += " %" + std::to_string(operand.index);
  return text;
}

}  // namespace

std::string to_string(const Tape& tape) {
  std::string text = "tape of " + counted(tape.size(), "node") + ", " + counted(tape.parameters().size(), "parameter") +
                     ", " + counted(tape.input_nodes().size(), "input") + ", " +
                     counted(tape.uniform_inputs().size(), "uniform input") + ", " +
                     counted(tape.guards().size(), "guard") + "\n";
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const NodeId node(i);
    text += "%" + std::to_string(i) + " = " + node_text(tape, node) + "  # " + number_text(tape.data(node)) +
            (tape.varying(node) ? " varying" : "") + label_text(tape.label(node)) + "\n";
  }
  for (const InputGroup& group : tape.input_groups()) {
    text += "input group \"" + group.name + "\": inputs " + std::to_string(group.first.index) + " to " +
            std::to_string(group.first.index + group.count - 1) + "\n";
  }
  for (std::size_t i = 0; i < tape.guards().size(); ++i) {
    const Guard& guard = tape.guards()[i];
    text += "guard " + std::to_string(i) + ": %" + std::to_string(guard.condition.index) + " is " +
            (guard.expected ? "true" : "false") + "\n";
  }
  return text;
}

namespace {

/// What an op's circle says: the C++ operator where it has one, else its name.
const char* sign_or_name(Op op) { return op_sign(op) != nullptr ? op_sign(op) : op_name(op); }

/// Text for a quoted record label: the characters that structure records and strings are escaped, line breaks become
/// spaces. https://graphviz.org/doc/info/shapes.html#record
std::string escape_record(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    if (std::strchr("\\\"{}|<> ", c) != nullptr && c != '\0') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::vector<bool> ancestors(const Tape& tape, NodeId root) {
  std::vector<bool> reached(root.index + std::size_t{1}, false);
  reached[root.index] = true;
  for (std::size_t i = reached.size(); i-- > 0;) {
    if (!reached[i] || op_kind(tape.op(NodeId(i))) == OpKind::leaf) continue;
    for (NodeId operand : tape.operands(NodeId(i))) reached[operand.index] = true;
  }
  return reached;
}

}  // namespace

std::string draw_dot(Value root) {
  const NodeId root_node = root.id();
  const Tape& tape = *root.tape();
  const std::vector<bool> reached = ancestors(tape, root_node);
  std::string boxes, arrows;
  for (std::size_t i = 0; i < reached.size(); ++i) {
    if (!reached[i]) continue;
    const NodeId node(i);
    const std::string name = "n" + std::to_string(i);
    boxes += "  " + name + " [shape=record, label=\"{ " + escape_record(tape.label(node)) + " | data " +
             fixed_text(tape.data(node), 4) + " | grad " + fixed_text(tape.grad(node), 4) + " }\"];\n";
    if (op_kind(tape.op(node)) == OpKind::leaf) continue;
    const std::string op = "op" + std::to_string(i);
    boxes += "  " + op + " [label=\"" + sign_or_name(tape.op(node)) + "\"];\n";
    for (NodeId operand : tape.operands(node)) arrows += "  n" + std::to_string(operand.index) + " -> " + op + ";\n";
    arrows += "  " + op + " -> " + name + ";\n";
  }
  return "digraph {\n  graph [rankdir=LR];\n" + boxes + arrows + "}\n";
}

namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// A file without a name, gone when closed. Files and not pipes, so that neither side can wait for the other.
File temporary_file() {
  File file(std::tmpfile());
  if (!file) throw Error(std::string("write_svg: no temporary file: ") + std::strerror(errno));
  return file;
}

std::string content(std::FILE* file) {
  std::rewind(file);
  std::string text;
  char part[4096];
  for (std::size_t got; (got = std::fread(part, 1, sizeof part, file)) > 0;) text.append(part, got);
  return text;
}

/// Runs `dot -Tsvg` between the three files and waits for it. Returns its wait status.
int run_dot(std::FILE* in, std::FILE* out, std::FILE* err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(err), STDERR_FILENO);
  char program[] = "dot", option[] = "-Tsvg";
  char* const arguments[] = {program, option, nullptr};
  pid_t child = 0;
  const int failure = posix_spawnp(&child, program, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure == ENOENT) {
    throw Error("write_svg: the program \"dot\" was not found; install graphviz, or use draw_dot for the text alone");
  }
  if (failure != 0) throw Error(std::string("write_svg: \"dot\" cannot be started: ") + std::strerror(failure));
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw Error(std::string("write_svg: waiting for \"dot\": ") + std::strerror(errno));
  }
  return status;
}

void write_file(const std::string& path, const std::string& text) {
  if (path.find('\0') != path.npos) throw Error("write_svg: there is a NUL in the path, where the system would end it");
  File file(std::fopen(path.c_str(), "wb"));
  bool good = file != nullptr && std::fwrite(text.data(), 1, text.size(), file.get()) == text.size();
  if (good) good = std::fclose(file.release()) == 0;
  if (!good) throw Error("write_svg: " + path + " cannot be written: " + std::strerror(errno));
}

}  // namespace

void write_svg(Value root, const std::string& path) {
  const std::string text = draw_dot(root);
  const File in = temporary_file(), out = temporary_file(), err = temporary_file();
  if (std::fwrite(text.data(), 1, text.size(), in.get()) != text.size() || std::fflush(in.get()) != 0) {
    throw Error(std::string("write_svg: a temporary file cannot be written: ") + std::strerror(errno));
  }
  std::rewind(in.get());
  const int status = run_dot(in.get(), out.get(), err.get());
  const std::string drawing = content(out.get());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || drawing.empty()) {
    throw Error("write_svg: \"dot\" failed: " + content(err.get()));
  }
  write_file(path, drawing);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
