#include "fuzz/print.h"

#include <cmath>
#include <cstdio>

namespace tapeloom::test::fuzz {

namespace {

std::string text(double number) {
  if (std::isnan(number)) return "NAN";
  if (std::isinf(number)) return number > 0 ? "INFINITY" : "-INFINITY";
  char buffer[40];
  for (int digits = 1; digits <= 17; ++digits) {
    std::snprintf(buffer, sizeof buffer, "%.*g", digits, number);
    if (std::strtod(buffer, nullptr) == number) break;
  }
  std::string result = buffer;
  if (result.find_first_of(".e") == std::string::npos) result += ".0";
  return result;
}

std::string list(std::span<const double> numbers) {
  std::string result;
  for (double number : numbers) result += (result.empty() ? "" : ", ") + text(number);
  return "{" + result + "}";
}

class Printer {
 public:
  explicit Printer(const Case& it) : s_(it.script), inside_(it.script.inside()), drawn_(it.drawn) {}

  std::string print() {
    line("Tape tape;");
    if (s_.recorded) {
      line("const std::vector<std::vector<double>> rows = {");
      for (std::size_t s = 0; s < s_.samples; ++s) line("    " + list(row(s)) + ",");
      line("};");
    } else {
      std::size_t column = 0;
      if (s_.random_group) line("// the last group is tape.randoms, and products are for training alone");
      for (std::size_t g = 0; g < s_.groups.size(); ++g) {
        const std::span<const double> eager = std::span(s_.eager).subspan(column, s_.groups[g]);
        line("const auto g" + std::to_string(g) + " = tape.inputs(\"g" + std::to_string(g) + "\", std::vector<double>" +
             list(eager) + ");");
        column += s_.groups[g];
      }
    }
    std::size_t begin = 0;
    while (begin < s_.statements.size()) {
      std::size_t end = begin;
      while (end < s_.statements.size() && s_.statements[end].kind != Kind::batch) ++end;
      part(begin, end);
      if (end < s_.statements.size()) reduction(end);
      begin = end + 1;
    }
    line("const Value loss = " + name(s_.loss) + ";");
    std::string outputs;
    for (const Output& o : s_.outputs) {
      outputs += (outputs.empty() ? "" : ", ") + name(o.statement);
      if (s_.recorded && inside_[o.statement]) outputs += " of sample " + std::to_string(o.sample);
    }
    if (!outputs.empty()) line("// outputs: " + outputs);
    if (!s_.recorded) {
      for (std::size_t s = 0; s < s_.samples; ++s) line("// row " + std::to_string(s) + ": " + list(row(s)));
    }
    for (std::size_t i = 0; i < s_.statements.size(); ++i) {
      const Statement& s = s_.statements[i];
      const bool moved = s.kind == Kind::parameter || s.kind == Kind::uniform_input;
      if (moved && !(s.number == s.later)) line("// then " + name(i) + " = " + text(s.later));
    }
    line("// drawn: " + describe(drawn_));
    return text_;
  }

 private:
  void line(const std::string& what) { text_ += what + "\n"; }
  std::span<const double> row(std::size_t sample) const {
    return std::span(s_.rows).subspan(sample * s_.columns(), s_.columns());
  }

  void part(std::size_t begin, std::size_t end) {
    bool loop = false;
    for (std::size_t i = begin; i < end; ++i) {
      const bool in_loop = s_.recorded && inside_[i];
      if (!in_loop) statement(i, "");
      loop = loop || (in_loop && s_.statements[i].kind != Kind::input);
    }
    if (!loop) return;
    for (std::size_t i = begin; i < end; ++i) {
      if (inside_[i] && kept(i)) line("std::vector<Value> all" + std::to_string(i) + ";");
    }
    line("for (const auto& row : rows) {");
    for (std::size_t i = begin; i < end; ++i) {
      if (!inside_[i]) continue;
      statement(i, "  ");
      if (kept(i)) line("  all" + std::to_string(i) + ".push_back(" + name(i) + ");");
    }
    line("}");
  }

  bool kept(std::size_t statement) const {
    for (const Statement& s : s_.statements) {
      if (s.kind == Kind::batch && s.x[0] == statement) return true;
    }
    return false;
  }

  void reduction(std::size_t i) {
    const Statement& s = s_.statements[i];
    const bool mean = s.op == Op::batch_mean;
    const std::string what = "const Value v" + std::to_string(i) + " = ";
    if (!s_.recorded) return line(what + op_name(s.op) + "(" + name(s.x[0]) + ");");
    const std::string all = "all" + std::to_string(s.x[0]);
    if (s.k % 3 == 0) return line(what + (mean ? "mean(" : "sum(") + all + ");");
    line("Value t" + std::to_string(i) + " = 0.0;");
    line("for (Value each : " + all + ") t" + std::to_string(i) + " += each;");
    const std::string n = text(static_cast<double>(s_.samples));
    line(what + "t" + std::to_string(i) + (!mean ? "" : s.k % 3 == 1 ? " / " + n : " * (1.0 / " + n + ")") + ";");
  }

  std::string name(std::uint32_t i) const {
    const Statement& s = s_.statements[i];
    if (s.kind == Kind::number)
      return s.number < 0 || std::signbit(s.number) ? "(" + text(s.number) + ")" : text(s.number);
    if (s.kind == Kind::input) {
      if (s_.recorded) {
        const std::string datum = "row[" + std::to_string(s.k) + "]";
        return s_.data_on_tape ? "v" + std::to_string(i) : "Value(" + datum + ")";
      }
      std::uint32_t k = s.k;
      for (std::size_t g = 0; g < s_.groups.size(); ++g) {
        if (k < s_.groups[g]) return "g" + std::to_string(g) + "[" + std::to_string(k) + "]";
        k -= s_.groups[g];
      }
    }
    return "v" + std::to_string(i);
  }
  std::string name(std::size_t i) const { return name(static_cast<std::uint32_t>(i)); }

  std::string names(std::span<const std::uint32_t> x) const {
    std::string result;
    for (std::uint32_t i : x) result += (result.empty() ? "" : ", ") + name(i);
    return result;
  }
  std::string values(std::span<const std::uint32_t> x) const { return "std::vector<Value>{" + names(x) + "}"; }

  void statement(std::size_t i, const std::string& indent) {
    const Statement& s = s_.statements[i];
    const std::span<const std::uint32_t> x(s.x);
    std::string code;
    switch (s.kind) {
      case Kind::number:
        return;
      case Kind::input:
        if (!s_.recorded || !s_.data_on_tape) return;
        code = "tape.constant(row[" + std::to_string(s.k) + "])";
        break;
      case Kind::parameter:
        code = "tape.parameter(" + text(s.number) + ")" +
               (s.frozen ? "; tape.set_frozen(v" + std::to_string(i) + ")" : "");
        break;
      case Kind::uniform_input:
        code = "tape.uniform_input(" + text(s.number) + ", \"v" + std::to_string(i) + "\")";
        break;
      case Kind::constant:
        code = "tape.constant(" + text(s.number) + ")";
        break;
      case Kind::apply:
        if (op_sign(s.op) != nullptr) {
          code = name(x[0]) + " " + op_sign(s.op) + " " + name(x[1]);
        } else if (s.op == Op::neg) {
          code = "-" + name(x[0]);
        } else if (op_kind(s.op) == OpKind::adjoint || op_kind(s.op) == OpKind::fused) {
          code = "apply(Op::" + std::string(op_name(s.op)) + ", {" + names(x) + "})";
        } else {
          code = std::string(op_name(s.op)) + "(" + names(x) + ")";
        }
        break;
      case Kind::sum:
        code = "sum(" + values(x) + ")";
        break;
      case Kind::mean:
        code = "mean(" + values(x) + ")";
        break;
      case Kind::dot:
        code = "dot(" + values(x.first(x.size() / 2)) + ", " + values(x.last(x.size() / 2)) + ")";
        break;
      case Kind::batch:
        return;
      case Kind::guard:
        code = name(x[0]) + "; if (v" + std::to_string(i) + " != 0.0) {}";
        break;
      case Kind::branch:
        line(indent + "Value v" + std::to_string(i) + " = " + name(x[3]) + ";");
        return line(indent + "if (" + name(x[0]) + " " + op_sign(s.op) + " " + name(x[1]) + ") v" + std::to_string(i) +
                    " = " + name(x[2]) + ";");
      case Kind::std_max:
        code = "std::max(" + names(x) + ")";
        break;
      case Kind::std_min:
        code = "std::min(" + names(x) + ")";
        break;
      case Kind::std_clamp:
        code = "std::min(std::max(" + names(x.first(2)) + "), " + name(x[2]) + ")";
        break;
      case Kind::std_sort:
        line(indent + "auto s" + std::to_string(i) + " = " + values(x) + ";");
        line(indent + "std::sort(s" + std::to_string(i) + ".begin(), s" + std::to_string(i) + ".end());");
        code = "s" + std::to_string(i) + "[" + std::to_string(s.k) + "]";
        break;
      case Kind::halving:
        line(indent + "Value v" + std::to_string(i) + " = " + name(x[0]) + ";");
        return line(indent + "for (int i = 0; i < 3 && v" + std::to_string(i) + " > " + name(x[1]) + "; ++i) v" +
                    std::to_string(i) + " = v" + std::to_string(i) + " * 0.5;");
      case Kind::gradient:
        code = "gradient(" + name(x[0]) + ", {" + name(x[1]) + "})[0]";
        break;
      case Kind::derivative:
        code = "derivative(" + names(x) + ")";
        break;
      case Kind::hessian_vector: {
        const std::size_t n = x.size() / 2;
        code = "hessian_vector(" + name(x[0]) + ", " + values(x.subspan(1, n)) + ", " + values(x.last(n)) + ")[" +
               std::to_string(s.k) + "]";
        break;
      }
      case Kind::squared_error:
        code = "squared_error(" + names(x) + ")";
        break;
      case Kind::hinge:
        code = "hinge(" + names(x) + ")";
        break;
      case Kind::binary_cross_entropy:
        code = "binary_cross_entropy(" + names(x) + ")";
        break;
      case Kind::softmax_targets: {
        const std::size_t n = x.size() / 2;
        code = "softmax_cross_entropy(" + values(x.first(n)) + ", " + values(x.subspan(n, n)) + ", " + name(x.back()) +
               ")";
        break;
      }
      case Kind::softmax_class:
        code = "softmax_cross_entropy(" + values(x.first(x.size() - 2)) + ", " + names(x.last(2)) + ")";
        break;
      case Kind::softmax_label:
        code = "softmax_cross_entropy(" + values(x.first(x.size() - 1)) + ", int(std::fabs(row[" + std::to_string(s.k) +
               "])) % " + std::to_string(x.size() - 1) + ", " + name(x.back()) + ")";
        break;
    }
    line(indent + "const Value v" + std::to_string(i) + " = " + code + ";");
  }

  const Script& s_;
  std::vector<bool> inside_;
  const Configuration& drawn_;
  std::string text_;
};

}  // namespace

std::string as_cpp(const Case& it) { return Printer(it).print(); }

}  // namespace tapeloom::test::fuzz
