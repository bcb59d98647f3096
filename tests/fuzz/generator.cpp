#include "fuzz/generator.h"

#include <algorithm>
#include <cmath>

#include "forced_isa.h"
#include "fuzz/styles.h"
#include "tapeloom/core/program/cost.h"

namespace tapeloom::test::fuzz {

namespace {

class Generator {
 public:
  Generator(std::uint64_t seed, std::optional<Numbers> numbers)
      : random_(seed), b_(random_, it_.script, draw_numbers(numbers)), styles_(b_), s_(it_.script) {}

  Case generate() {
    s_.recorded = b_.chance(0.3);
    s_.data_on_tape = b_.chance(0.3);
    s_.repeat_uniform = b_.chance(0.3);
    List now = make_inputs();
    for (std::size_t count = 1 + b_.below(3); count-- > 0;) now = in_some_style(now);
    return finished(now);
  }

  /// Small ones, as derivatives of derivatives are many times as long as what they are of.
  Case generate_with_derivatives() {
    s_.recorded = b_.chance(0.3);
    s_.data_on_tape = b_.chance(0.5);
    has_derivatives_ = true;
    most_samples_ = 9;
    s_.repeat_uniform = b_.chance(0.3);
    List now = make_inputs();
    if (b_.chance(0.9)) now = in_some_style(now);
    if (b_.chance(0.3) && s_.statements.size() < 60) now = in_some_style(now);
    now = styles_.derivatives(now);
    if (b_.chance(0.3)) now = in_some_style(now);
    if (b_.chance(0.2) && s_.statements.size() < 60) now = styles_.derivatives(now);
    return finished(now);
  }

 private:
  List in_some_style(const List& x) {
    const auto all = Styles::all();
    const List now = (styles_.*all[b_.below(all.size())].write)(x);
    return now.size() > 14 ? styles_.dense(now, 1 + b_.below(4)) : now;
  }

  Case finished(const List& now) {
    finish(now);
    make_data();
    move_parameters();
    choose_outputs(now);
    it_.script = without_dead(it_.script);
    it_.drawn = draw_configuration(random_, it_.script);
    return std::move(it_);
  }

  Numbers draw_numbers(std::optional<Numbers> numbers) {
    const double unit = between(random_, 0.0, 1.0);
    return numbers ? *numbers : unit < 0.55 ? Numbers::smooth : unit < 0.8 ? Numbers::coarse : Numbers::special;
  }

  /// Several groups, whose columns are read in no even order.
  List make_inputs() {
    for (std::size_t g = 1 + b_.below(3); g-- > 0;) {
      s_.groups.push_back(static_cast<std::uint32_t>(1 + b_.below(b_.chance(0.2) ? 8 : 4)));
    }
    List all;
    for (std::uint32_t k = 0; k < s_.columns(); ++k)
      columns_.push_back(b_.add({Kind::input, Op::constant, {}, 0.0, 0.0, k}));
    all = columns_;
    if (b_.chance(0.2)) std::reverse(all.begin(), all.end());
    if (b_.chance(0.3)) std::shuffle(all.begin(), all.end(), random_);
    if (b_.chance(0.3)) all.resize(1 + b_.below(all.size()));
    if (b_.chance(0.2)) all.push_back(b_.uniform());
    return all;
  }

  void finish(List now) {
    std::uint32_t each = b_.chance(0.6) ? loss_of(now) : b_.total(now);
    // A derivative may be the same for all samples after all.
    if (!b_.varying(each) || has_derivatives_) each = b_.plus(each, b_.some(columns_));
    std::uint32_t loss;
    if (weight_ != 0 && b_.varying(weight_) && b_.chance(0.5)) {
      loss = b_.over(b_.batch(Op::batch_sum, each),
                     b_.plus(b_.batch(Op::batch_sum, b_.apply(Op::abs, weight_)), b_.number(1.0)));
    } else {
      loss = b_.batch(b_.chance(0.7) ? Op::batch_mean : Op::batch_sum, each);
    }
    if (b_.chance(0.1)) loss = b_.apply(Op::log, b_.plus(b_.apply(Op::square, loss), b_.number(1.5)));
    if (b_.chance(0.1)) {  // a branch on what has been computed, whose choice is no new node
      loss = b_.add({Kind::branch, Op::greater, {loss, b_.number(b_.draw(0.0, 9.0)), b_.number(9.0), loss}});
    }
    if (b_.chance(0.25)) loss = b_.plus(loss, penalty());
    s_.loss = b_.chance(0.05) ? b_.make(Kind::std_max, {loss, b_.number(-1.0)}) : loss;
  }

  std::uint32_t penalty() {
    List squares;
    const std::size_t way = b_.below(3);
    for (std::uint32_t i = 0; i < s_.loss + 1000 && i < s_.statements.size(); ++i) {
      if (s_.statements[i].kind != Kind::parameter || squares.size() > 20) continue;
      squares.push_back(way == 0 ? b_.apply(Op::square, i) : way == 1 ? b_.times(i, i) : b_.apply(Op::abs, i));
    }
    return squares.empty() ? b_.number(0.5) : b_.times(b_.number(0.01), b_.total(squares));
  }

  std::uint32_t loss_of(List now) {
    if (now.size() > 4) now.resize(4);
    const bool weighed = b_.chance(0.4);
    weight_ = weighed ? (b_.chance(0.7) ? b_.some(columns_) : b_.number(0.5 + static_cast<double>(b_.below(3))))
                      : b_.number(1.0);
    const auto target = [&] { return b_.chance(0.8) ? b_.some(columns_) : b_.number(b_.draw(-1.0, 1.0)); };
    const std::size_t way = b_.below(s_.recorded ? 8 : 7);
    if (way <= 2) {
      static constexpr Kind kinds[] = {Kind::squared_error, Kind::hinge, Kind::binary_cross_entropy};
      List losses;
      for (std::uint32_t v : now) losses.push_back(b_.make(kinds[way], {v, target(), weight_}));
      return b_.total(losses);
    }
    if (way == 3) {
      List squares;
      for (std::uint32_t v : now) squares.push_back(b_.apply(Op::square, b_.minus(v, target())));
      return b_.total(squares);
    }
    if (way == 4) {
      List squares;
      for (std::uint32_t v : now)
        squares.push_back(b_.apply(Op::pow, b_.plus(v, b_.apply(Op::neg, target())), b_.number(2.0)));
      return b_.make(Kind::mean, squares);
    }
    if (now.size() < 2) now.push_back(b_.parameter());
    List x = now;
    if (way == 5) {
      for (std::size_t i = 0; i < now.size(); ++i) x.push_back(target());
      x.push_back(weight_);
      return b_.make(Kind::softmax_targets, x);
    }
    if (way == 6) {
      label_ = b_.some(columns_);
      x.push_back(label_), x.push_back(weight_);
      classes_ = now.size();
      return b_.make(Kind::softmax_class, x);
    }
    x.push_back(weight_);
    return b_.make(Kind::softmax_label, x, s_.statements[b_.some(columns_)].k);
  }

  void make_data() {
    const std::size_t columns = s_.columns(), size = s_.statements.size();
    const std::size_t most = std::max<std::size_t>(1, 12000 / (size + 10));
    const std::size_t limit = s_.recorded       ? 1 + b_.below(8)
                              : b_.chance(0.06) ? 300
                              : b_.chance(0.3)  ? 70
                                                : 1 + b_.below(14);
    s_.samples = std::min(1 + b_.below(limit), std::min(most, most_samples_));
    const bool narrow = b_.chance(0.3);  // so that branches agree more often
    for (std::size_t i = 0; i < (s_.samples + 1) * columns; ++i) {
      const double number = narrow ? b_.draw(0.2, 1.2) : b_.draw(-2.0, 2.0);
      (i < s_.samples * columns ? s_.rows : s_.eager).push_back(number);
    }
    const auto overwrite = [&](std::uint32_t column, auto&& draw) {
      const std::uint32_t k = s_.statements[column].k;
      for (std::size_t s = 0; s < s_.samples; ++s) s_.rows[s * columns + k] = draw();
      s_.eager[k] = draw();
    };
    if (weight_ != 0 && s_.statements[weight_].kind == Kind::input) {
      overwrite(weight_, [&] { return b_.chance(0.3) ? 0.0 : b_.between(0.25, 1.5); });
    }
    if (label_ != 0 && b_.chance(0.95)) overwrite(label_, [&] { return static_cast<double>(b_.below(classes_)); });
    if (!s_.recorded && b_.chance(0.5)) std::copy_n(s_.rows.begin(), columns, s_.eager.begin());
    const std::size_t last = columns - s_.groups.back();
    const bool is_label = label_ != 0 && s_.statements[label_].k >= last;
    s_.random_group = !s_.recorded && !is_label && !has_derivatives_ && b_.chance(0.15);
  }

  /// Freezes some, and trains some.
  void move_parameters() {
    const bool freeze = b_.chance(0.2), move = b_.chance(0.3);
    for (Statement& s : s_.statements) {
      if (s.kind == Kind::parameter && freeze && b_.chance(0.4)) s.frozen = true;
      const bool moves = s.kind == Kind::parameter || s.kind == Kind::uniform_input;
      if (moves && move && b_.chance(0.5)) s.later = b_.chance(0.7) ? s.number * 1.25 : b_.draw(-1.0, 1.0);
    }
  }

  void choose_outputs(const List& now) {
    for (std::size_t i = b_.below(4); i-- > 0;) {
      const std::uint32_t statement =
          b_.chance(0.6) ? b_.some(now) : static_cast<std::uint32_t>(b_.below(s_.statements.size()));
      s_.outputs.push_back({statement, static_cast<std::uint32_t>(b_.below(s_.samples))});
    }
  }

  Random random_;
  Case it_;
  Builder b_;
  Styles styles_;
  Script& s_;
  List columns_;
  std::size_t most_samples_ = 300;
  bool has_derivatives_ = false;
  std::uint32_t weight_ = 0, label_ = 0;  // none if 0, which is a column and may be one: then it keeps its numbers
  std::size_t classes_ = 1;
};

}  // namespace

Configuration draw_configuration(Random& random, const Script& script) {
  Configuration c;
  c.in_float = chance(random, 0.4);
  bool CompileOptions::*const passes[] = {&CompileOptions::fold_samples,   &CompileOptions::roll,
                                          &CompileOptions::fold_constants, &CompileOptions::common_subexpressions,
                                          &CompileOptions::simplify,       &CompileOptions::idioms,
                                          &CompileOptions::fuse,           &CompileOptions::reuse_slots};
  const double off = chance(random, 0.3) ? 0.5 : 0.12;
  for (const auto pass : passes) c.options.*pass = !chance(random, off);
  c.options.assume_finite = chance(random, 0.2);
  c.options.verify = true;
  if (chance(random, 0.6)) {
    const std::vector<std::string>& names = instruction_sets();
    c.isa = names[below(random, names.size())];
  }
  c.threads = 1 + below(random, 2);
  c.spare = chance(random, 0.5) ? below(random, 40) : 0;
  c.before = chance(random, 0.3) ? 1 + below(random, script.samples) : 0;
  c.saved = chance(random, 0.1);
  c.by_group = chance(random, 0.4);
  c.inference = chance(random, 0.1) && !script.outputs.empty();
  c.by_level = chance(random, 0.4);
  if (!script.recorded && script.columns() > 0 && chance(random, 0.25)) {
    for (std::size_t i = 1 + below(random, script.samples + 2); i-- > 0;) {
      c.rows.push_back(static_cast<std::uint32_t>(below(random, script.samples)));
    }
  }
  if (!script.recorded && script.columns() > 0 && chance(random, 0.2)) {
    c.one_sample = true;
    c.rows = {static_cast<std::uint32_t>(below(random, script.samples))};
  }
  if (!script.recorded && script.columns() > 0 && !c.one_sample && chance(random, 0.4)) {
    c.by_rows = true;
    c.rows.resize(1 + below(random, cost::most_few_samples));
    for (std::uint32_t& row : c.rows) row = static_cast<std::uint32_t>(below(random, script.samples));
  }
  if (c.one_sample) c.descends = chance(random, 0.5);
  return c;
}

Case generate(std::uint64_t seed, std::optional<Numbers> numbers) { return Generator(seed, numbers).generate(); }

Case generate_with_derivatives(std::uint64_t seed) { return Generator(seed, {}).generate_with_derivatives(); }

}  // namespace tapeloom::test::fuzz
