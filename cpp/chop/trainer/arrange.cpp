#include <algorithm>

#include "chop/core/check.h"
#include "chop/trainer/plan.h"

namespace chop::trainer {
namespace {

Phase& phase_of(std::vector<Phase>& phases, int number) {
  if (static_cast<size_t>(number) >= phases.size()) phases.resize(static_cast<size_t>(number) + 1);
  return phases[static_cast<size_t>(number)];
}

// A norm's result is for the phase after its statistics.
void arrange_forward(Plan& plan) {
  std::vector<int> ready(plan.values.size(), 0);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    int when = ready[static_cast<size_t>(step.a)];
    if (step.b >= 0) when = std::max(when, ready[static_cast<size_t>(step.b)]);
    if (step.kind == Kind::norm) phase_of(plan.forward, when++).push_back({static_cast<int>(i), true});
    phase_of(plan.forward, when).push_back({static_cast<int>(i), false});
    ready[static_cast<size_t>(step.out)] = when;
  }
  // The loss runs with the last phase.
  phase_of(plan.forward, ready[static_cast<size_t>(plan.output)]);
}

bool has_parameters_of(const Plan& plan, const Step& step) {
  const RowNorm& norm = plan.row_norms[static_cast<size_t>(step.row_norm)];
  return norm.gamma >= 0 || norm.beta >= 0;
}

// Which values depend on a parameter.
std::vector<bool> wanted_gradients(const Plan& plan) {
  std::vector<bool> wanted(plan.values.size(), false);
  for (const Step& step : plan.steps) {
    const bool has_parameters = step.kind == Kind::linear || step.kind == Kind::conv || step.learned >= 0 ||
                                (step.kind == Kind::row_norm && has_parameters_of(plan, step)) ||
                                (step.kind == Kind::norm && plan.norms[static_cast<size_t>(step.norm)].gamma >= 0);
    wanted[static_cast<size_t>(step.out)] =
        has_parameters || wanted[static_cast<size_t>(step.a)] || (step.b >= 0 && wanted[static_cast<size_t>(step.b)]);
  }
  return wanted;
}

// Steps that the loss depends on.
std::vector<bool> used_values(const Plan& plan) {
  std::vector<bool> used(plan.values.size(), false);
  used[static_cast<size_t>(plan.output)] = true;
  for (size_t i = plan.steps.size(); i-- > 0;) {
    const Step& step = plan.steps[i];
    if (!used[static_cast<size_t>(step.out)]) continue;
    used[static_cast<size_t>(step.a)] = true;
    if (step.b >= 0) used[static_cast<size_t>(step.b)] = true;
  }
  return used;
}

// Whether the gradient of an input may lie where that of the result does: of the inputs of a sum, one's.
bool in_place(const Plan& plan, const Step& step, int input) {
  const auto alone = [&](int v) { return plan.values[static_cast<size_t>(v)].readers == 1; };
  if (step.kind != Kind::add)
    return alone(input) && (step.kind == Kind::norm || step.kind == Kind::unary || step.kind == Kind::quantize ||
                            step.kind == Kind::relu);
  if (input == step.a) return alone(input);
  return alone(input) && step.factor == 1.0 && !alone(step.a);
}

int take_rows(Plan& plan, int rows) {
  plan.rows += rows;
  return plan.rows - rows;
}

// Gradients are computed in place where a value has one reader that allows it.
void place_gradients(Plan& plan, const std::vector<bool>& wanted, const std::vector<bool>& used) {
  plan.values[static_cast<size_t>(plan.output)].gradient =
      take_rows(plan, plan.values[static_cast<size_t>(plan.output)].features);
  for (size_t i = plan.steps.size(); i-- > 0;) {
    const Step& step = plan.steps[i];
    if (!used[static_cast<size_t>(step.out)]) continue;
    const int from = plan.values[static_cast<size_t>(step.out)].gradient;
    for (const int input : {step.a, step.b}) {
      if (input < 0 || !wanted[static_cast<size_t>(input)]) continue;
      Value& value = plan.values[static_cast<size_t>(input)];
      if (value.gradient >= 0) continue;
      value.gradient = in_place(plan, step, input) ? from : take_rows(plan, value.features);
    }
  }
}

void arrange_backward(Plan& plan, const std::vector<bool>& wanted, const std::vector<bool>& used) {
  std::vector<int> ready(plan.values.size(), 0);
  for (size_t i = plan.steps.size(); i-- > 0;) {
    const Step& step = plan.steps[i];
    if (!used[static_cast<size_t>(step.out)] || !wanted[static_cast<size_t>(step.out)]) continue;
    int when = ready[static_cast<size_t>(step.out)];
    const bool goes_on = wanted[static_cast<size_t>(step.a)];
    if (step.kind == Kind::norm) phase_of(plan.backward, when++).push_back({static_cast<int>(i), true});
    if (step.kind != Kind::norm || goes_on) phase_of(plan.backward, when).push_back({static_cast<int>(i), false});
    for (const int input : {step.a, step.b})
      if (input >= 0) ready[static_cast<size_t>(input)] = std::max(ready[static_cast<size_t>(input)], when);
  }
  phase_of(plan.backward, 0);
}

// Who comes first writes a gradient, the others add to it.
void find_additions(Plan& plan) {
  std::vector<bool> written(plan.values.size(), false);
  for (const Phase& phase : plan.backward)
    for (const Item& item : phase) {
      if (item.statistics) continue;
      Step& step = plan.steps[static_cast<size_t>(item.step)];
      step.add_a = written[static_cast<size_t>(step.a)];
      written[static_cast<size_t>(step.a)] = true;
      if (step.b < 0) continue;
      step.add_b = written[static_cast<size_t>(step.b)];
      written[static_cast<size_t>(step.b)] = true;
    }
}

}  // namespace

void fuse(Plan& plan) {
  std::vector<Step> kept;
  for (const Step& step : plan.steps) {
    Step* maker = nullptr;
    if (step.kind == Kind::relu && plan.values[static_cast<size_t>(step.a)].readers == 1)
      for (Step& earlier : kept)
        if (earlier.out == step.a && !earlier.relu &&
            (earlier.kind == Kind::linear || earlier.kind == Kind::conv || earlier.kind == Kind::norm ||
             earlier.kind == Kind::add))
          maker = &earlier;
    if (maker) {
      maker->relu = true;
      maker->out = step.out;
      plan.values[static_cast<size_t>(step.a)].features = 0;  // it is never made
    } else {
      kept.push_back(step);
    }
  }
  plan.steps = std::move(kept);
}

void arrange(Plan& plan) {
  arrange_forward(plan);
  for (Value& value : plan.values) {
    value.row = take_rows(plan, value.features);
    plan.largest = std::max(plan.largest, value.features);
  }
  const std::vector<bool> wanted = wanted_gradients(plan), used = used_values(plan);
  check(wanted[static_cast<size_t>(plan.output)], "training: the model has no parameter that its output depends on");
  place_gradients(plan, wanted, used);
  arrange_backward(plan, wanted, used);
  find_additions(plan);
  plan.scratch = take_rows(plan, plan.largest);
}

}  // namespace chop::trainer
