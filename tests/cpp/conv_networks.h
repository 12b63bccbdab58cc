// Random small networks of convolutions, with residual sums, pools and activations, and formats for their layers.
#pragma once

#include "evaluator_cases.h"

namespace chop::evaluator {

struct ConvNetwork {
  ir::Graph graph;
  int features;
  std::vector<Config> configs;
  std::string text;
};

class ConvNetworkMaker {
 public:
  // Every fourth network is so wide that its products are worth matrices.
  explicit ConvNetworkMaker(uint64_t seed) : random_(seed), wide_(seed % 4 == 0 ? 4 : 1) {}

  ConvNetwork make() {
    const int64_t channels = 1 + random_.below(5), height = 4 + random_.below(5), width = 4 + random_.below(5);
    specs_.push_back({"x", "input", {}, {}, {}, {ir::kBatch, channels, height, width}});
    last_ = "x", channels_ = channels;
    const int64_t parts = 2 + random_.below(3);
    conv(wide_ * (1 + random_.below(9)), 3, 1, 1);
    for (int64_t i = 0; i < parts; ++i) part();
    if (random_.below(2) == 0) {
      add("mean", "adaptive_avg_pool2d", {{"output_size", ir::List{1, 1}}});
      add("flat", "flatten", {{"start_dim", 1.0}, {"end_dim", -1.0}});
      specs_.push_back(testing::linear("fc", last_, channels_, 3));
      layers_.push_back("fc"), last_ = "fc";
    }
    ir::Graph graph = ir::Graph::from_specs(specs_, last_);
    std::string text;
    for (const ir::Node& node : graph.nodes()) text += node.op->name + " ";
    std::vector<Config> configs{{}, config(8, 5), config(4, 2), config(12, 8), config(16, 12)};
    return {std::move(graph), static_cast<int>(channels * height * width), std::move(configs), text};
  }

 private:
  void add(const std::string& name, const std::string& op, std::vector<ir::Attribute> attributes) {
    specs_.push_back({name, op, {last_}, std::move(attributes), {}, {}});
    last_ = name;
  }
  std::string fresh(const std::string& stem) { return stem + std::to_string(++count_); }

  void conv(int64_t out, int64_t kernel, int64_t stride, int64_t groups) {
    const std::string name = fresh("conv");
    const int64_t inside = channels_ / groups, count = out * inside * kernel * kernel;
    const ir::List both{stride, stride}, pads(4, kernel / 2);
    std::vector<ir::Parameter> parameters{ir::Parameter::of("weight", {out, inside, kernel, kernel},
                                                            testing::random_values(random_, count, -1.0f, 1.0f))};
    if (random_.below(2) == 0)
      parameters.push_back(ir::Parameter::of("bias", {out}, testing::random_values(random_, out, -0.1f, 0.1f)));
    specs_.push_back(
        {name,
         "conv2d",
         {last_},
         {{"stride", both}, {"padding", pads}, {"dilation", ir::List{1, 1}}, {"groups", static_cast<double>(groups)}},
         std::move(parameters),
         {}});
    layers_.push_back(name), last_ = name, channels_ = out;
  }

  void part() {
    switch (random_.below(6)) {
      case 0: return conv(wide_ * (1 + random_.below(9)), 3, 1, 1);
      case 1: return conv(wide_ * (1 + random_.below(9)), 3, 2, 1);
      case 2:
        conv(channels_ * (1 + random_.below(2)), 3, 1 + random_.below(2), channels_);
        return add(fresh("act"), "relu6", {});
      case 3:
        conv(4 * wide_ * (1 + random_.below(2)), 1, 1, 1);
        add(fresh("act"), "relu", {});
        return conv(2 + 2 * random_.below(3), 3, 1, 2);
      case 4:
        return add(fresh("pool"), "max_pool2d",
                   {{"kernel_size", ir::List{3, 3}},
                    {"stride", ir::List{1, 1}},
                    {"padding", ir::List{1, 1}},
                    {"dilation", ir::List{1, 1}},
                    {"ceil_mode", 0.0}});
      default: break;
    }
    const std::string from = last_;
    conv(channels_, 3, 1, 1);
    add(fresh("act"), "relu", {});
    conv(channels_, 1 + 2 * random_.below(2), 1, 1);
    const std::string name = fresh("add");
    specs_.push_back({name, "add", {last_, from}, {}, {}, {}});
    last_ = name;
    if (random_.below(2) == 0) add(fresh("act"), "relu", {});
  }

  Config config(int width, int frac) {
    const FixedPoint f = make_fixed_point(width, frac, true);
    Config found;
    for (const std::string& layer : layers_)
      found.push_back({layer, "integer", {{"data_in", f}, {"weight", f}, {"bias", f}}, nullptr});
    return found;
  }

  testing::Random random_;
  int64_t wide_;
  std::vector<ir::Graph::Spec> specs_;
  std::vector<std::string> layers_;
  std::string last_;
  int64_t channels_ = 1;
  int count_ = 0;
};

inline ConvNetwork conv_network(uint64_t seed) { return ConvNetworkMaker(seed).make(); }

}  // namespace chop::evaluator
