#include "fuzz/shrink.h"

#include <algorithm>
#include <cmath>

namespace tapeloom::test::fuzz {

namespace {

class Shrinker {
 public:
  Shrinker(Case it, const std::function<bool(const Case&)>& fails) : best_(std::move(it)), fails_(fails) {}

  Case run() {
    for (bool again = true; again && tries_ < most_tries;) {
      again = samples();
      again |= configuration();
      again |= outputs();
      again |= statements();
      again |= operands();
      again |= numbers();
    }
    return best_;
  }

 private:
  static constexpr std::size_t most_tries = 6000;

  bool attempt(Case next) {
    if (tries_ >= most_tries) return false;
    next.script = without_dead(next.script);
    if (!next.script.fault().empty() || next.script == best_.script) {
      // The configuration alone may have changed; without_dead may have undone the rest.
      if (!next.script.fault().empty()) return false;
    }
    std::erase_if(next.drawn.rows, [&](std::uint32_t row) { return row >= next.script.samples; });
    ++tries_;
    if (!fails_(next)) return false;
    best_ = std::move(next);
    return true;
  }

  bool samples() {
    bool any = false;
    for (std::size_t part = best_.script.samples; part > 0; part = part == 1 ? 0 : (part + 1) / 2) {
      for (std::size_t first = 0; first < best_.script.samples && best_.script.samples > 1;) {
        Case next = best_;
        Script& s = next.script;
        const std::size_t columns = s.columns(), count = std::min({part, s.samples - first, s.samples - 1});
        const auto begin = s.rows.begin() + static_cast<std::ptrdiff_t>(first * columns);
        s.rows.erase(begin, begin + static_cast<std::ptrdiff_t>(count * columns));
        s.samples -= count;
        for (Output& o : s.outputs)
          o.sample = o.sample >= first + count ? static_cast<std::uint32_t>(o.sample - count) : o.sample;
        std::vector<std::uint32_t> rows;
        for (std::uint32_t row : next.drawn.rows) {
          if (row < first) rows.push_back(row);
          if (row >= first + count) rows.push_back(static_cast<std::uint32_t>(row - count));
        }
        next.drawn.rows = rows;
        if (count > 0 && attempt(next)) {
          any = true;
        } else {
          first += part;
        }
      }
    }
    return any;
  }

  bool configuration() {
    bool any = false;
    const Configuration plain;
    const auto set = [&](auto member) {
      if (best_.drawn.*member == plain.*member) return;
      Case next = best_;
      next.drawn.*member = plain.*member;
      any |= attempt(next);
    };
    set(&Configuration::in_float), set(&Configuration::isa), set(&Configuration::threads), set(&Configuration::spare);
    set(&Configuration::before), set(&Configuration::saved), set(&Configuration::by_group);
    set(&Configuration::inference), set(&Configuration::by_level), set(&Configuration::one_sample);
    set(&Configuration::by_rows), set(&Configuration::descends);
    set(&Configuration::rows);
    const auto option = [&](auto member) {
      if (best_.drawn.options.*member == plain.options.*member) return;
      Case next = best_;
      next.drawn.options.*member = plain.options.*member;
      any |= attempt(next);
    };
    option(&CompileOptions::fold_samples), option(&CompileOptions::roll), option(&CompileOptions::fold_constants);
    option(&CompileOptions::common_subexpressions), option(&CompileOptions::simplify), option(&CompileOptions::idioms);
    option(&CompileOptions::fuse), option(&CompileOptions::reuse_slots), option(&CompileOptions::exact);
    const auto flag = [&](auto member) {
      if (!(best_.script.*member)) return;
      Case next = best_;
      next.script.*member = false;
      any |= attempt(next);
    };
    flag(&Script::data_on_tape), flag(&Script::repeat_uniform);
    while (best_.drawn.rows.size() > 1) {
      bool smaller = false;
      for (std::size_t i = 0; i < best_.drawn.rows.size(); ++i) {
        Case next = best_;
        next.drawn.rows.erase(next.drawn.rows.begin() + static_cast<std::ptrdiff_t>(i));
        smaller |= attempt(next);
      }
      if (!smaller) break;
      any = true;
    }
    return any;
  }

  bool outputs() {
    bool any = false;
    for (std::size_t i = best_.script.outputs.size(); i-- > 0;) {
      if (i >= best_.script.outputs.size()) continue;
      Case next = best_;
      next.script.outputs.erase(next.script.outputs.begin() + static_cast<std::ptrdiff_t>(i));
      any |= attempt(next);
    }
    return any;
  }

  /// Each statement away, with an operand or a number in its place, or the loss taken from an earlier one.
  bool statements() {
    bool any = false;
    for (std::size_t i = best_.script.statements.size(); i-- > 0;) {
      if (i >= best_.script.statements.size()) continue;
      const Statement s = best_.script.statements[i];
      if (decides(s.kind)) any |= replace(i, {Kind::apply, Op::add, {s.x[0], s.x[0]}});
      if (i >= best_.script.statements.size()) continue;
      bool done = false;
      for (std::uint32_t x : s.x) {
        if (!done) done = redirect(i, x);
      }
      if (!done && !s.x.empty()) done = replace(i, {Kind::number, Op::constant, {}, 0.5, 0.5});
      if (!done && s.kind == Kind::parameter && s.frozen) {
        Statement thawed = s;
        thawed.frozen = false;
        done = replace(i, thawed);
      }
      if (!done && (s.kind == Kind::parameter || s.kind == Kind::uniform_input || s.kind == Kind::constant)) {
        done = replace(i, {Kind::number, Op::constant, {}, s.later, s.later});
      }
      any |= done;
    }
    return any;
  }

  /// Everything that reads statement i reads x.
  bool redirect(std::size_t i, std::uint32_t x) {
    Case next = best_;
    Script& s = next.script;
    for (Statement& statement : s.statements) {
      for (std::uint32_t& operand : statement.x) operand = operand == i ? x : operand;
    }
    if (s.loss == i) s.loss = x;
    for (Output& o : s.outputs) o.statement = o.statement == i ? x : o.statement;
    if (decides(s.statements[i].kind)) s.statements[i] = {};
    return attempt(next);
  }

  bool replace(std::size_t i, Statement by) {
    if (i >= best_.script.statements.size() || best_.script.statements[i] == by) return false;
    Case next = best_;
    next.script.statements[i] = std::move(by);
    return attempt(next);
  }

  bool operands() {
    bool any = false;
    for (std::size_t i = best_.script.statements.size(); i-- > 0;) {
      for (std::size_t k = 0; i < best_.script.statements.size() && k < best_.script.statements[i].x.size();) {
        Statement s = best_.script.statements[i];
        const std::size_t n = s.x.size();
        const auto drop = [&](std::size_t at) { s.x.erase(s.x.begin() + static_cast<std::ptrdiff_t>(at)); };
        if (s.kind == Kind::dot) {
          if (k >= n / 2) break;
          drop(n / 2 + k), drop(k);
        } else if (s.kind == Kind::softmax_targets) {
          if (k >= n / 2 || n <= 3) break;
          drop(n / 2 + k), drop(k);
        } else if (s.kind == Kind::hessian_vector) {
          if (k >= n / 2 || n <= 3) break;
          drop(1 + n / 2 + k), drop(1 + k);
          if (s.k >= s.x.size() / 2) s.k = 0;
        } else if (s.kind == Kind::sum || s.kind == Kind::mean || s.kind == Kind::std_sort ||
                   s.kind == Kind::softmax_class || s.kind == Kind::softmax_label) {
          if (n <= 3) break;
          drop(k);
          if (s.kind == Kind::std_sort && s.k >= s.x.size()) s.k = 0;
        } else {
          break;
        }
        const std::size_t size = best_.script.statements.size();
        if (replace(i, s)) {
          any = true;
          if (best_.script.statements.size() != size) break;
        } else {
          ++k;
        }
      }
    }
    return any;
  }

  bool numbers() {
    bool any = false;
    const auto simpler = [&](auto&& place) {
      const double now = place(best_);
      for (double number : {0.0, 1.0, 2.0, std::round(now), std::round(now * 8) / 8}) {
        if (number == now && std::signbit(number) == std::signbit(now)) return;
        if (std::isfinite(now) && std::fabs(number) > std::fabs(now) + 1) continue;
        Case next = best_;
        place(next) = number;
        const std::size_t before = best_.script.statements.size();
        if (attempt(next)) {
          any = true;
          if (best_.script.statements.size() != before) return;
          break;
        }
      }
    };
    for (std::size_t i = 0; i < best_.script.statements.size(); ++i) {
      const Kind kind = best_.script.statements[i].kind;
      if (kind == Kind::parameter || kind == Kind::uniform_input) {
        const Statement& s = best_.script.statements[i];
        if (!(s.number == s.later)) {
          Case next = best_;
          next.script.statements[i].number = s.later;
          any |= attempt(next);
        }
        if (i >= best_.script.statements.size()) break;
        const bool together = best_.script.statements[i].number == best_.script.statements[i].later;
        if (together) {
          for (double number : {0.0, 1.0, 2.0, std::round(best_.script.statements[i].number)}) {
            if (i >= best_.script.statements.size() || best_.script.statements[i].number == number) break;
            Case next = best_;
            next.script.statements[i].number = next.script.statements[i].later = number;
            if (attempt(next)) {
              any = true;
              break;
            }
          }
          continue;
        }
        simpler([i](Case& c) -> double& { return c.script.statements[i].later; });
        simpler([i](Case& c) -> double& { return c.script.statements[i].number; });
      } else if (kind == Kind::number || kind == Kind::constant) {
        simpler([i](Case& c) -> double& { return c.script.statements[i].number; });
      }
    }
    for (std::size_t i = 0; i < best_.script.rows.size(); ++i)
      simpler([i](Case& c) -> double& { return c.script.rows[i]; });
    for (std::size_t i = 0; i < best_.script.eager.size(); ++i)
      simpler([i](Case& c) -> double& { return c.script.eager[i]; });
    return any;
  }

  Case best_;
  const std::function<bool(const Case&)>& fails_;
  std::size_t tries_ = 0;
};

}  // namespace

Case shrink(Case it, const std::function<bool(const Case&)>& fails) { return Shrinker(std::move(it), fails).run(); }

}  // namespace tapeloom::test::fuzz
