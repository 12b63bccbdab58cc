// Pools over the last dimensions, by tables of the rows that each window covers.
#include <algorithm>

#include "chop/evaluator/float_ops/layout.h"
#include "chop/evaluator/float_ops/row_sets.h"
#include "chop/evaluator/step.h"
#include "chop/kernels/kernels.h"

namespace chop::evaluator {
namespace {

using ir::Node;
using Inputs = std::vector<const Node*>;

enum class Kind { largest, in_order, wide };

class PoolStep : public Step {
 public:
  // divisors: each holds one number an output, and they divide one after the other.
  PoolStep(Kind kind, OwnedRowSets sets, std::vector<std::vector<float>> divisors)
      : Step(sets.count()), kind_(kind), sets_(std::move(sets)), divisors_(std::move(divisors)) {}

  void run(const void* const* in, void* out) const override {
    const RowKernels& k = kernels().rows;
    const auto* x = static_cast<const float*>(in[0]);
    auto* y = static_cast<float*>(out);
    (kind_ == Kind::largest ? k.largest : kind_ == Kind::in_order ? k.sum : k.sum_wide)(sets_.view(), x, y);
    for (const std::vector<float>& by : divisors_) k.divide(y, by.data(), groups());
  }

 private:
  Kind kind_;
  OwnedRowSets sets_;
  std::vector<std::vector<float>> divisors_;
};

// What one window covers along one dimension: first, first + step, … below end.
struct Cover {
  int64_t first, end, step;
  int64_t padded;  // its length with the padding, as averages count it
  int64_t length() const { return first < end ? (end - first + step - 1) / step : 0; }
};
using Covers = std::vector<Cover>;  // one for each output along that dimension

Covers sliding(const Node& node, size_t i, int64_t extent, int64_t outputs) {
  const int64_t kernel = node.list("kernel_size")[i], stride = node.list("stride")[i];
  const int64_t padding = node.list("padding")[i], dilation = node.list("dilation")[i];
  Covers covers;
  for (int64_t o = 0; o < outputs; ++o) {
    int64_t first = o * stride - padding;
    const int64_t end = first + (kernel - 1) * dilation + 1;
    const int64_t padded = std::min(end, extent + padding) - first;
    while (first < 0) first += dilation;
    covers.push_back({first, std::min(end, extent), dilation, padded});
  }
  return covers;
}

Covers adaptive(int64_t extent, int64_t outputs) {
  Covers covers;
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t first = o * extent / outputs, end = ((o + 1) * extent + outputs - 1) / outputs;
    covers.push_back({first, end, 1, end - first});
  }
  return covers;
}

// One dimension counts as two, the first of which is of size 1.
struct Windows {
  int64_t images = 1, width = 1, height = 1;  // of the input
  Covers down{{0, 1, 1, 1}}, across;

  template <class CoversOf>
  Windows(const Node& node, const Node& input, CoversOf covers_of) {
    row_count(node, node.shape);
    row_count(node, input.shape);
    const ir::Shape from = sample_shape(node, input.shape), to = sample_shape(node, node.shape);
    const size_t spatial = node.op->name.find("2d") != std::string::npos ? 2 : 1, first = from.size() - spatial;
    images = element_count({from.begin(), from.begin() + static_cast<int64_t>(first)});
    if (spatial == 2) down = covers_of(0, height = from[first], to[first]);
    across = covers_of(spatial - 1, width = from.back(), to.back());
  }

  OwnedRowSets sets() const {
    OwnedRowSets sets;
    for (int64_t image = 0; image < images; ++image)
      for (const Cover& h : down)
        for (const Cover& w : across) {
          for (int64_t i = h.first; i < h.end; i += h.step)
            for (int64_t j = w.first; j < w.end; j += w.step)
              sets.add(static_cast<int32_t>((image * height + i) * width + j));
          sets.close();
        }
    return sets;
  }

  // One number an output.
  template <class Value>
  std::vector<float> each(Value value) const {
    std::vector<float> found;
    for (int64_t image = 0; image < images; ++image)
      for (const Cover& h : down)
        for (const Cover& w : across) found.push_back(static_cast<float>(value(h, w)));
    return found;
  }
};

Windows sliding_windows(const Node& node, const Node& input) {
  return {node, input, [&](size_t i, int64_t extent, int64_t outputs) { return sliding(node, i, extent, outputs); }};
}

Windows adaptive_windows(const Node& node, const Node& input) {
  return {node, input, [](size_t, int64_t extent, int64_t outputs) { return adaptive(extent, outputs); }};
}

StepPtr max_pool(const Node& node, const Inputs& inputs) {
  return std::make_shared<PoolStep>(Kind::largest, sliding_windows(node, *inputs[0]).sets(),
                                    std::vector<std::vector<float>>{});
}

// As torch: the sum in the window's order, then one division. A window that holds nothing gives 0.
StepPtr avg_pool(const Node& node, const Inputs& inputs) {
  const Windows windows = sliding_windows(node, *inputs[0]);
  const bool with_padding = node.attribute("count_include_pad") != 0.0;
  const int64_t fixed = node.integer("divisor_override");
  const auto divisor = [&](const Cover& h, const Cover& w) {
    const int64_t inside = h.length() * w.length();
    if (inside == 0) return int64_t{1};
    return fixed != 0 ? fixed : with_padding ? h.padded * w.padded : inside;
  };
  return std::make_shared<PoolStep>(Kind::in_order, windows.sets(),
                                    std::vector<std::vector<float>>{windows.each(divisor)});
}

StepPtr adaptive_max_pool(const Node& node, const Inputs& inputs) {
  return std::make_shared<PoolStep>(Kind::largest, adaptive_windows(node, *inputs[0]).sets(),
                                    std::vector<std::vector<float>>{});
}

// As torch: a single output is the mean of everything; else the sum is divided by height and then by width.
StepPtr adaptive_avg_pool(const Node& node, const Inputs& inputs) {
  const Windows windows = adaptive_windows(node, *inputs[0]);
  std::vector<std::vector<float>> divisors;
  const bool single = windows.down.size() == 1 && windows.across.size() == 1;
  if (single) {
    divisors = {windows.each([](const Cover& h, const Cover& w) { return h.length() * w.length(); })};
  } else {
    divisors = {windows.each([](const Cover& h, const Cover&) { return h.length(); }),
                windows.each([](const Cover&, const Cover& w) { return w.length(); })};
  }
  return std::make_shared<PoolStep>(single ? Kind::wide : Kind::in_order, windows.sets(), std::move(divisors));
}

[[maybe_unused]] const bool registered[] = {
    float_ops().add("max_pool1d", {max_pool, true}),
    float_ops().add("max_pool2d", {max_pool, true}),
    float_ops().add("avg_pool1d", {avg_pool, true}),
    float_ops().add("avg_pool2d", {avg_pool, true}),
    float_ops().add("adaptive_max_pool1d", {adaptive_max_pool, true}),
    float_ops().add("adaptive_max_pool2d", {adaptive_max_pool, true}),
    float_ops().add("adaptive_avg_pool1d", {adaptive_avg_pool, false}),
    float_ops().add("adaptive_avg_pool2d", {adaptive_avg_pool, false}),
};

}  // namespace
}  // namespace chop::evaluator
